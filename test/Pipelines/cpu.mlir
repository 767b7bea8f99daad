// twilight-to-cpu leaves nothing but the llvm and omp dialects, with a C interface for public functions.
// RUN: twilight-opt %examples/quest_twilight.mlir --twilight-to-cpu -o %t.mlir
// RUN: FileCheck %s --input-file=%t.mlir
// RUN: not grep -E '^ *(%%[^=]*= )?"?(arith|bufferization|builtin|cf|func|linalg|memref|scf|twilight|vector)[.]' %t.mlir

// CHECK-LABEL: llvm.func @quest_twilight(
// CHECK: omp.parallel
// CHECK: omp.loop_nest
// CHECK: llvm.intr.exp
// CHECK-LABEL: llvm.func @_mlir_ciface_quest_twilight(%{{.*}}: !llvm.ptr,

// Every buffer has an end: 4 are returned, the others are freed.
// RUN: grep -c "llvm.call @malloc" %t.mlir | FileCheck %s --check-prefix=ALLOCATED
// RUN: grep -c "llvm.call @free" %t.mlir | FileCheck %s --check-prefix=FREED
// ALLOCATED: 15
// FREED: 11

// It translates, and the names of arguments are gone by then.
// RUN: mlir-translate --mlir-to-llvmir %t.mlir 2>&1 | FileCheck %s --check-prefix=LLVM --implicit-check-not=warning
// LLVM: define {{.*}} @quest_twilight(
// LLVM: call void {{.*}}@__kmpc_fork_call
