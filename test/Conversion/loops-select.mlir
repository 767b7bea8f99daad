// twilight.select as loops: what depends on the selector's unit rule, the budget and the group.
// RUN: twilight-opt %s --convert-twilight-to-scf --canonicalize --cse --split-input-file | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>

// Scored: lists as long as the budget of the longest sequence; coefficients once a head; NaN and floors; the k best.
// CHECK-LABEL: func.func @scored
// CHECK-SAME: %[[Q:[a-z0-9]+]]: memref<?x8x64xf16>
// CHECK-SAME: memref<?x2x2x64xf16>, %[[TABLE:[a-z0-9]+]]: memref<?x?xi32>, %[[LENS:[a-z0-9]+]]: memref<?xi32>
// CHECK-DAG: %[[F:.*]] = arith.constant 250000 : i64
// CHECK-DAG: %[[MINF:.*]] = arith.constant 0xFF800000 : f32
// CHECK-DAG: %[[INF:.*]] = arith.constant 0x7F800000 : f32
// CHECK: %[[PAGES:.*]] = memref.dim %[[TABLE]]
// CHECK: %[[WIDE:.*]] = arith.index_cast %[[PAGES]] : index to i64
// CHECK: arith.muli %[[WIDE]], %[[F]] : i64
// CHECK: %[[CAPACITY:.*]] = arith.minsi %[[PAGES]]
// CHECK: memref.alloc(%{{.*}}, %[[CAPACITY]]) : memref<?x2x?xi32>
// CHECK: scf.parallel (%[[B:.*]], %[[R:.*]]) =
// CHECK: memref.load %[[LENS]][%[[B]]]
// CHECK: memref.alloc() : memref<2x64xf32>
// CHECK: arith.minimumf
// CHECK: arith.maximumf
// CHECK: vector.load %{{.*}} : memref<?x2x2x64xf16>, vector<64xf16>
// CHECK: vector.reduction <add>, %{{.*}} fastmath<reassoc> : vector<64xf32> into f32
// CHECK: arith.maximumf
// CHECK: %[[NUMBER:.*]] = arith.cmpf oeq, %[[X:.*]], %[[X]]
// CHECK: arith.select %[[NUMBER]], %[[X]], %[[MINF]]
// CHECK: arith.select %{{.*}}, %[[INF]]
// CHECK: arith.cmpi ule
func.func @scored(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %s: tensor<?x2x2x64xf16>, %table: tensor<?x?xi32>,
                  %lens: tensor<?xi32>) -> !twilight.selection<page> {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      summary(%s : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) {sink = 4 : i64}
      : tensor<?x8x64xf16>, !cache -> !twilight.selection<page>
  return %0 : !twilight.selection<page>
}

// -----

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.mean_var<f32>>

// A list for each query head, two terms, and a mean over one head is that head: no division.
// CHECK-LABEL: func.func @per_head
// CHECK: memref.alloc(%{{.*}}) : memref<?x8x?xi32>
// CHECK: memref.alloc() : memref<4x64xf32>
// CHECK-COUNT-2: vector.reduction <add>
// CHECK: math.sqrt
// CHECK-NOT: arith.divf
func.func @per_head(%q: tensor<?x8x64xf16>, %cache: !cache) -> !twilight.selection<page, query_head> {
  %0 = twilight.select %q, %cache selector(#twilight.mean_std<c = 1.0>) budget(#twilight.tokens<64>) group(per_head)
      : tensor<?x8x64xf16>, !cache -> !twilight.selection<page, query_head>
  return %0 : !twilight.selection<page, query_head>
}

// CHECK-LABEL: func.func @mean
// CHECK: %[[FOUR:.*]] = arith.constant 4.000000e+00 : f32
// CHECK: arith.divf %{{.*}}, %[[FOUR]] : f32
func.func @mean(%q: tensor<?x8x64xf16>, %cache: !cache) -> !twilight.selection<page> {
  %0 = twilight.select %q, %cache selector(#twilight.mean_std<c = 1.0>) budget(#twilight.tokens<64>) group(mean)
      : tensor<?x8x64xf16>, !cache -> !twilight.selection<page>
  return %0 : !twilight.selection<page>
}

// -----

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>

// Nothing is scored: no floating point at all.
// CHECK-LABEL: func.func @unscored
// CHECK-NOT: f32
// CHECK: return
func.func @unscored(%q: tensor<?x8x64xf16>, %cache: !cache) -> (!twilight.selection<page>, !twilight.selection<page>) {
  %0 = twilight.select %q, %cache selector(#twilight.full) budget(#twilight.all)
      : tensor<?x8x64xf16>, !cache -> !twilight.selection<page>
  %1 = twilight.select %q, %cache selector(#twilight.window) budget(#twilight.all) {recent = 64 : i64}
      : tensor<?x8x64xf16>, !cache -> !twilight.selection<page>
  return %0, %1 : !twilight.selection<page>, !twilight.selection<page>
}
