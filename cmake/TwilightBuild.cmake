# How twilight's own targets are compiled. MLIR's flags stay on MLIR's targets: the runtime and its tests need no LLVM.

separate_arguments(TWILIGHT_LLVM_DEFINITIONS NATIVE_COMMAND "${LLVM_DEFINITIONS}")

# Debian names the LLVM dylib in the link interface of every MLIR archive; a static link has to replace it. What is left
# to the machine that runs the programs is its C library, 2.36 or newer.
if(TWILIGHT_STATIC_LLVM)
  set(LLVM_LINK_LLVM_DYLIB OFF)
  llvm_map_components_to_libnames(twilight_llvm_libs Core Support Analysis BitReader BitWriter IRReader Linker IPO Passes
    Target TargetParser MC TransformUtils NVPTX X86CodeGen X86AsmParser X86Desc X86Info OrcJIT ExecutionEngine JITLink
    RuntimeDyld PerfJITEvents FrontendOpenMP FrontendOpenACC FrontendOffloading
    AMDGPU SPIRV) # MLIR's registration of every dialect names these two
  # Its compression too; its solver, a shared library, is never asked.
  get_target_property(libs LLVMSupport INTERFACE_LINK_LIBRARIES)
  list(TRANSFORM libs REPLACE "^ZLIB::ZLIB$" "libz.a")
  list(TRANSFORM libs REPLACE "^zstd::libzstd_shared$" "libzstd.a")
  list(FILTER libs EXCLUDE REGEX "libz3")
  foreach(archive libz.a libzstd.a)
    find_library(TWILIGHT_${archive} ${archive} REQUIRED)
    list(TRANSFORM libs REPLACE "^${archive}$" "${TWILIGHT_${archive}}")
  endforeach()
  set_property(TARGET LLVMSupport PROPERTY INTERFACE_LINK_LIBRARIES "${libs}")
  add_link_options(-static-libstdc++ -static-libgcc -Wl,--gc-sections)
  add_library(twilight_llvm INTERFACE)
  target_link_libraries(twilight_llvm INTERFACE ${twilight_llvm_libs})
  foreach(target ${MLIR_EXPORTED_TARGETS})
    if(TARGET ${target})
      get_target_property(libs ${target} INTERFACE_LINK_LIBRARIES)
      if(libs)
        list(REMOVE_ITEM libs MLIR) # the dylib of MLIR, which a few name
        list(TRANSFORM libs REPLACE "^LLVM$|^.*LINK_ONLY:LLVM>$" "twilight_llvm")
        set_property(TARGET ${target} PROPERTY INTERFACE_LINK_LIBRARIES "${libs}")
      endif()
    endif()
  endforeach()
endif()

# Flags for everything that includes MLIR headers.
add_library(twilight_mlir_flags INTERFACE)
target_compile_definitions(twilight_mlir_flags INTERFACE NDEBUG)
target_compile_options(twilight_mlir_flags INTERFACE ${TWILIGHT_LLVM_DEFINITIONS} -fno-exceptions -fvisibility-inlines-hidden)
target_include_directories(twilight_mlir_flags SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})

function(twilight_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wno-unused-parameter)
  if(TWILIGHT_ENABLE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

# MLIR's headers are most of the compile time; every MLIR library reuses one precompiled header.
if(TWILIGHT_USE_PCH)
  add_library(twilight_pch STATIC ${CMAKE_CURRENT_SOURCE_DIR}/cmake/pch.cpp)
  target_link_libraries(twilight_pch PUBLIC twilight_mlir_flags)
  twilight_warnings(twilight_pch)
  target_precompile_headers(twilight_pch PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/cmake/pch.h)
  set_target_properties(twilight_pch PROPERTIES POSITION_INDEPENDENT_CODE ON)
endif()

# twilight_library(NAME sources... LINK libs... DEPENDS targets...): one library over MLIR.
function(twilight_library name)
  cmake_parse_arguments(ARG "" "" "LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC twilight_mlir_flags ${ARG_LINK})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  twilight_warnings(${name})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  if(TWILIGHT_USE_PCH)
    target_precompile_headers(${name} REUSE_FROM twilight_pch)
  endif()
endfunction()

# twilight_tool(NAME sources... LINK libs...): one program over MLIR.
function(twilight_tool name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE twilight_mlir_flags ${ARG_LINK})
  target_compile_options(${name} PRIVATE -fPIC) # as the precompiled header, which -fPIE would not match
  twilight_warnings(${name})
  if(TWILIGHT_USE_PCH)
    target_precompile_headers(${name} REUSE_FROM twilight_pch)
  endif()
endfunction()

# The MLIR and LLVM libraries, as dylibs unless a static link was asked for.
if(TWILIGHT_STATIC_LLVM)
  get_property(libs GLOBAL PROPERTY MLIR_ALL_LIBS)
  set(TWILIGHT_MLIR_LIBS twilight_llvm)
  foreach(lib ${libs})
    get_target_property(type ${lib} TYPE)
    if(type STREQUAL STATIC_LIBRARY AND NOT lib MATCHES "^MLIRCAPI")
      list(APPEND TWILIGHT_MLIR_LIBS ${lib})
    endif()
  endforeach()
else()
  set(TWILIGHT_MLIR_LIBS MLIR LLVM)
endif()
