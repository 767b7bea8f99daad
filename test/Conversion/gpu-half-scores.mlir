// Scores of f16 in kernels: half the buffer, written in pieces as wide as rows are aligned, read in fours.
// RUN: sed s/PAGE/16/g %s | twilight-opt --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: sed s/PAGE/4/g %s | twilight-opt --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,FOURS
// RUN: sed s/PAGE/2/g %s | twilight-opt --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,SINGLE

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = PAGE, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x8x64xf16>

// CHECK-LABEL: func.func @apart
// CHECK: memref.alloc(%{{.*}}) : memref<?x8x?xf16>
// CHECK: gpu.launch_func @twilight_kernels::@apart_quantize_score
// CHECK: gpu.launch_func @twilight_kernels::@apart_keep_mask
func.func @apart(%q: !q, %k: tensor<?x2xPAGEx64xf16>, %codes: tensor<?x2xPAGEx32xi8>, %scale: tensor<?x2xPAGExf16>,
                 %bounds: tensor<?x2x2x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: f32) -> tensor<?x2xi32> {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2xPAGEx64xf16>) v_pages(%k : tensor<?x2xPAGEx64xf16>)
      codes(%codes : tensor<?x2xPAGEx32xi8>) scale(%scale : tensor<?x2xPAGExf16>) zero(%scale : tensor<?x2xPAGExf16>)
      summary(%bounds : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %cache, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores<f16>
  %kept = twilight.top_p %scores, %p : !twilight.scores<f16>, f32 -> !twilight.selection<token>
  %i, %c = twilight.selection_parts %kept : !twilight.selection<token> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %c : tensor<?x2xi32>
}

// A block keeps its logits as f32, rounded to the same numbers.
func.func @fused(%q: !q, %k: tensor<?x2xPAGEx64xf16>, %codes: tensor<?x2xPAGEx32xi8>, %scale: tensor<?x2xPAGExf16>,
                 %bounds: tensor<?x2x2x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: f32) -> !q {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2xPAGEx64xf16>) v_pages(%k : tensor<?x2xPAGEx64xf16>)
      codes(%codes : tensor<?x2xPAGEx32xi8>) scale(%scale : tensor<?x2xPAGExf16>) zero(%scale : tensor<?x2xPAGExf16>)
      summary(%bounds : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !cache, %p_ = %p : f32) schedule(<block, warps = 8>) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores<f16>
    %kept = twilight.top_p %scores, %p_ : !twilight.scores<f16>, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %c, %kept : !q, !cache, !twilight.selection<token> -> !q
    twilight.yield %o : !q
  } : !q
  return %out : !q
}

// CHECK-LABEL: gpu.func @apart_quantize_score
// CHECK-DAG: %[[LARGEST:.*]] = arith.constant 6.550400e+04 : f32
// CHECK-DAG: %[[LEAST:.*]] = arith.constant -6.550400e+04 : f32
// CHECK: %[[RAISED:.*]] = arith.maxnumf %{{.*}}, %[[LEAST]] : f32
// CHECK-NEXT: %[[FINITE:.*]] = arith.minnumf %[[RAISED]], %[[LARGEST]] : f32
// CHECK-NEXT: %[[SCORE:.*]] = arith.truncf %[[FINITE]] : f32 to f16
// CHECK: llvm.store %[[SCORE]], %{{.*}} : f16, !llvm.ptr<3>
// WIDE: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<1>
// FOURS: llvm.store %{{.*}} {alignment = 8 : i64} : i64, !llvm.ptr<1>
// SINGLE: llvm.store %{{.*}} {alignment = 2 : i64} : f16, !llvm.ptr<1>

// CHECK-LABEL: gpu.func @apart_keep_mask
// WIDE-COUNT-8: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<1> -> i64
// WIDE: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<3>
// FOURS-COUNT-8: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<1> -> i64
// FOURS: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<3>
// SINGLE-COUNT-8: llvm.load %{{.*}} {alignment = 2 : i64} : !llvm.ptr<1> -> f16
// SINGLE: llvm.store %{{.*}} {alignment = 4 : i64} : f32, !llvm.ptr<3>

// CHECK-LABEL: gpu.func @fused_pipeline
// CHECK-DAG: %[[LARGEST:.*]] = arith.constant 6.550400e+04 : f32
// CHECK-DAG: %[[LEAST:.*]] = arith.constant -6.550400e+04 : f32
// CHECK: %[[RAISED:.*]] = arith.maxnumf %{{.*}}, %[[LEAST]] : f32
// CHECK-NEXT: %[[FINITE:.*]] = arith.minnumf %[[RAISED]], %[[LARGEST]] : f32
// CHECK-NEXT: %[[SCORE:.*]] = arith.truncf %[[FINITE]] : f32 to f16
// CHECK-NEXT: %[[LOGIT:.*]] = arith.extf %[[SCORE]] : f16 to f32
// CHECK: llvm.store %[[LOGIT]], %{{.*}} : f32, !llvm.ptr<3>
