// What a pipeline's arguments and results become; what the other functions of the module keep.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_100a | FileCheck %s --check-prefix=CHIP
// CHIP: gpu.module @twilight_kernels [#nvvm.target<O = 3, chip = "sm_100a", features = "+ptx{{[0-9]+}}">]

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 32, f16, hnd, codes = <bits = 4>>

// Names where there are none, dimensions' names as the ops know them, the page size where pages are counted.
// CHECK-LABEL: func.func @pipeline
// CHECK-SAME: (%[[Q:[a-z0-9]+]]: memref<?x8x64xf16> {twilight.dims = ["B", "", ""], twilight.name = "arg0"}
// CHECK-SAME: %[[K:[a-z0-9]+]]: memref<?x2x32x64xf16> {twilight.dims = ["pages", "", "", ""], twilight.name = "keys"}
// CHECK-SAME: memref<?x2x32x32xi8> {twilight.dims = ["pages", "", "", ""], twilight.name = "arg2"}
// CHECK-SAME: memref<?x2x32xf16> {twilight.dims = ["pages", "", ""], twilight.name = "arg3"}
// CHECK-SAME: memref<4x?xi32> {twilight.dims = ["B", "max_pages"], twilight.name = "arg4", twilight.page_size = 32 : i64}
// CHECK-SAME: memref<4xi32> {twilight.dims = ["B"], twilight.name = "arg5", twilight.page_size = 32 : i64}
// CHECK-SAME: memref<1xf32> {twilight.name = "arg6"}
// CHECK-SAME: memref<?x8xf32> {twilight.dims = ["mine", ""], twilight.name = "lse"}
// CHECK-SAME: -> (memref<?x8x64xf32> {twilight.name = "result0"}, memref<?x8xf32> {twilight.name = "result1"}, memref<?x2x?xi32> {twilight.name = "indices"})
// The batch is known here: it is a constant in grids.
// CHECK: gpu.launch_func @twilight_kernels::@pipeline_keep_mask blocks in (%c8, %c4, %c1)
func.func @pipeline(%q: tensor<?x8x64xf16>, %k: tensor<?x2x32x64xf16> {twilight.name = "keys"},
                    %codes: tensor<?x2x32x32xi8>, %scale: tensor<?x2x32xf16>, %table: tensor<4x?xi32>, %lens: tensor<4xi32>,
                    %p: f32, %l: tensor<?x8xf32> {twilight.name = "lse", twilight.dims = ["mine", ""]})
    -> (tensor<?x8x64xf32>, tensor<?x8xf32>, tensor<?x2x?xi32> {twilight.name = "indices"}) {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x32x64xf16>) v_pages(%k : tensor<?x2x32x64xf16>)
      codes(%codes : tensor<?x2x32x32xi8>) scale(%scale : tensor<?x2x32xf16>) zero(%scale : tensor<?x2x32xf16>)
      page_table(%table : tensor<4x?xi32>) seq_lens(%lens : tensor<4xi32>) -> !cache
  %pages = twilight.select %q, %cache selector(#twilight.full) budget(#twilight.all)
      : tensor<?x8x64xf16>, !cache -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %cache, %pages
      : tensor<?x8x64xf16>, !cache, !twilight.selection<page> -> !twilight.scores
  %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  %i, %c = twilight.selection_parts %kept : !twilight.selection<token> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  %oa, %la = twilight.attend %q, %cache : tensor<?x8x64xf16>, !cache -> tensor<?x8x64xf32> lse tensor<?x8xf32>
  %ob, %lb = twilight.gather_attend %q, %cache, %kept
      : tensor<?x8x64xf16>, !cache, !twilight.selection<token> -> tensor<?x8x64xf32> lse tensor<?x8xf32>
  %out, %lse = twilight.merge %oa, %l, %ob, %lb : tensor<?x8x64xf32>, tensor<?x8xf32>
  return %out, %lse, %i : tensor<?x8x64xf32>, tensor<?x8xf32>, tensor<?x2x?xi32>
}

// Memrefs are taken as they are.
// CHECK-LABEL: func.func @memrefs
// CHECK-SAME: memref<?x8x64xf16> {twilight.dims = ["B", "", ""], twilight.name = "arg0"}
// CHECK-NOT: memref.copy
// CHECK: @twilight_kernels::@memrefs_attend
func.func @memrefs(%q: memref<?x8x64xf16>, %k: memref<?x2x32x64xf16>, %codes: memref<?x2x32x32xi8>,
                   %scale: memref<?x2x32xf16>, %table: memref<?x?xi32>, %lens: memref<?xi32>) -> memref<?x8x64xf32> {
  %cache = twilight.assemble_cache k_pages(%k : memref<?x2x32x64xf16>) v_pages(%k : memref<?x2x32x64xf16>)
      codes(%codes : memref<?x2x32x32xi8>) scale(%scale : memref<?x2x32xf16>) zero(%scale : memref<?x2x32xf16>)
      page_table(%table : memref<?x?xi32>) seq_lens(%lens : memref<?xi32>) -> !cache
  %out = twilight.attend %q, %cache : memref<?x8x64xf16>, !cache -> memref<?x8x64xf32>
  return %out : memref<?x8x64xf32>
}

// CHECK-LABEL: func.func @other(%arg0: tensor<?xf32>, %arg1: f32) -> tensor<?xf32> {
// CHECK-NEXT: return %arg0 : tensor<?xf32>
func.func @other(%a: tensor<?xf32>, %b: f32) -> tensor<?xf32> {
  return %a : tensor<?xf32>
}
