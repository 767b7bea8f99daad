// The kernel that lists pages which need no score: all of a sequence's, or those of its first and last tokens.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s

!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>

// All: entry i is page i, ceildiv(N_b, 16) of them.
// CHECK-LABEL: gpu.func @all_list_pages(
// CHECK-SAME: %[[LENS:[a-z0-9]+]]: !llvm.ptr<1>, %[[INDICES:[a-z0-9]+]]: !llvm.ptr<1>, %[[COUNTS:[a-z0-9]+]]: !llvm.ptr<1>, %[[CAP:[a-z0-9]+]]: i32)
// CHECK: %[[AT:.*]] = llvm.getelementptr %[[LENS]][
// CHECK: %[[N:.*]] = llvm.load %[[AT]]
// CHECK: %[[UP:.*]] = arith.addi %[[N]], %c15_i32
// CHECK: %[[PAGES:.*]] = arith.divsi %[[UP]], %c16_i32
// CHECK: %[[COUNT:.*]] = llvm.getelementptr %[[COUNTS]][
// CHECK: llvm.store %[[PAGES]], %[[COUNT]]
// CHECK: scf.for %[[I:[a-z0-9]+]] = %{{.*}} to %[[PAGES]] step
// CHECK: %[[ROW:.*]] = arith.muli %{{.*}}, %[[CAP]]
// CHECK: llvm.getelementptr %[[INDICES]][
// CHECK: llvm.store %[[I]]
func.func @all(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %t: tensor<?x?xi32>, %n: tensor<?xi32>)
    -> (tensor<?x2x?xi32>, tensor<?x2xi32>) {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !plain
  %pages = twilight.select %q, %c selector(#twilight.full) budget(#twilight.all)
      : tensor<?x8x64xf16>, !plain -> !twilight.selection<page>
  %i, %m = twilight.selection_parts %pages : !twilight.selection<page> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %i, %m : tensor<?x2x?xi32>, tensor<?x2xi32>
}

// Window: ceildiv(20, 16) pages in front, then those from token N_b - 64 on, but none twice.
// CHECK-LABEL: gpu.func @window_list_pages(
// CHECK: %[[PAGES:.*]] = arith.divsi %{{.*}}, %c16_i32
// CHECK: %[[FRONT:.*]] = arith.minsi %[[PAGES]], %c2_i32
// CHECK: %[[FROM:.*]] = arith.subi %{{.*}}, %c64_i32
// CHECK: %[[TOKEN:.*]] = arith.maxsi %[[FROM]], %c0_i32
// CHECK: %[[FIRST:.*]] = arith.divsi %[[TOKEN]], %c16_i32
// CHECK: %[[BACK:.*]] = arith.maxsi %[[FIRST]], %[[FRONT]]
// CHECK: %[[REST:.*]] = arith.subi %[[PAGES]], %[[BACK]]
// CHECK: %[[COUNT:.*]] = arith.addi %[[FRONT]], %[[REST]]
// CHECK: llvm.store %[[COUNT]]
func.func @window(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %t: tensor<?x?xi32>, %n: tensor<?xi32>)
    -> (tensor<?x2x?xi32>, tensor<?x2xi32>) {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !plain
  %pages = twilight.select %q, %c selector(#twilight.window) budget(#twilight.all) {sink = 20 : i64, recent = 64 : i64}
      : tensor<?x8x64xf16>, !plain -> !twilight.selection<page>
  %i, %m = twilight.selection_parts %pages : !twilight.selection<page> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %i, %m : tensor<?x2x?xi32>, tensor<?x2xi32>
}
