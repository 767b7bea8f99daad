// What twilight-to-ptx and twilight-emit-ptx say of a chip they do not know and of code they cannot finish.
// RUN: split-file %s %t
// RUN: not twilight-opt %t/chip.mlir --twilight-to-ptx=chip=sm_75 2>&1 | FileCheck %s --check-prefix=PIPELINE
// RUN: twilight-opt %t/chip.mlir --twilight-emit-ptx=chip=sm_75 --verify-diagnostics
// RUN: twilight-opt %t/undefined.mlir --twilight-emit-ptx --verify-diagnostics
// RUN: twilight-opt %t/unused.mlir --twilight-emit-ptx | FileCheck %s --check-prefix=UNUSED --implicit-check-not=__nv_expf
// RUN: twilight-opt %t/undefined.mlir --twilight-emit-ptx=opt-level=0 --verify-diagnostics

// PIPELINE: error: unknown chip 'sm_75'; expected one of sm_80, {{.*}}sm_100a

//--- chip.mlir
// expected-error @+1 {{unknown chip 'sm_75'; expected one of sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_120a}}
gpu.module @kernels {
}

// libdevice is not there on a machine without CUDA: its functions must not be left to the driver.
//--- undefined.mlir
// expected-error @+1 {{code generation left the function '__nv_expf' undefined}}
gpu.module @kernels {
  llvm.func @__nv_expf(f32) -> f32
  llvm.func @k(%p: !llvm.ptr<1>) attributes {gpu.kernel, nvvm.kernel} {
    %x = llvm.load %p : !llvm.ptr<1> -> f32
    %y = llvm.call @__nv_expf(%x) : (f32) -> f32
    llvm.store %y, %p : f32, !llvm.ptr<1>
    llvm.return
  }
}

// A declaration that nothing calls does no harm.
//--- unused.mlir
// UNUSED: gpu.binary @kernels
// UNUSED-SAME: .visible .entry k(
gpu.module @kernels {
  llvm.func @__nv_expf(f32) -> f32
  llvm.func @k() attributes {gpu.kernel, nvvm.kernel} {
    llvm.return
  }
}
