// Every type prints what it was given and parses back, as text, as generic text and as bytecode.
// RUN: twilight-opt %s | twilight-opt | FileCheck %s
// RUN: twilight-opt %s --mlir-print-op-generic | twilight-opt | FileCheck %s
// RUN: twilight-opt %s --emit-bytecode | twilight-opt | FileCheck %s

// CHECK-LABEL: func private @plain(!twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd>)
func.func private @plain(!twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd>)

// CHECK-LABEL: func private @nhd(!twilight.cache<kv_heads = 1, head_dim = 8, page_size = 1, f32, nhd>)
func.func private @nhd(!twilight.cache<kv_heads = 1, head_dim = 8, page_size = 1, f32, nhd>)

// CHECK-LABEL: func private @blocked(!twilight.cache<kv_heads = 3, head_dim = 64, page_size = 4, f16, hnd, codes = <bits = 4, blocked>>)
func.func private @blocked(!twilight.cache<kv_heads = 3, head_dim = 64, page_size = 4, f16, hnd, codes = <bits = 4, blocked>>)

// CHECK-LABEL: func private @planes(!twilight.cache<kv_heads = 3, head_dim = 64, page_size = 1, f16, hnd, codes = <bits = 4, planes>>)
func.func private @planes(!twilight.cache<kv_heads = 3, head_dim = 64, page_size = 1, f16, hnd, codes = <bits = 4, planes>>)

// CHECK-LABEL: func private @codes(!twilight.cache<kv_heads = 3, head_dim = 64, page_size = 32, f16, hnd, codes = <bits = 4>>)
func.func private @codes(!twilight.cache<kv_heads = 3, head_dim = 64, page_size = 32, f16, hnd, codes = <bits = 4>>)

// CHECK-LABEL: func private @summary(!twilight.cache<kv_heads = 3, head_dim = 64, page_size = 64, f16, hnd, summary = #twilight.mean_var<f32>>)
func.func private @summary(!twilight.cache<kv_heads = 3, head_dim = 64, page_size = 64, f16, hnd, summary = #twilight.mean_var<f32>>)

// The two parts come in either order and print in one.
// CHECK-LABEL: func private @both(
// CHECK-SAME: !twilight.cache<kv_heads = 3, head_dim = 96, page_size = 16, bf16, nhd, codes = <bits = 4>, summary = #twilight.min_max<bf16>>,
// CHECK-SAME: !twilight.cache<kv_heads = 3, head_dim = 96, page_size = 16, bf16, nhd, codes = <bits = 4>, summary = #twilight.min_max<bf16>>)
func.func private @both(
  !twilight.cache<kv_heads = 3, head_dim = 96, page_size = 16, bf16, nhd, codes = <bits = 4>, summary = #twilight.min_max<bf16>>,
  !twilight.cache<kv_heads = 3, head_dim = 96, page_size = 16, bf16, nhd, summary = #twilight.min_max<bf16>, codes = <bits = 4>>)

// A list for each kv head is the default and does not print.
// CHECK-LABEL: func private @selections(
// CHECK-SAME: !twilight.selection<page>, !twilight.selection<token>, !twilight.selection<page>,
// CHECK-SAME: !twilight.selection<page, query_head>, !twilight.selection<token, query_head>)
func.func private @selections(
  !twilight.selection<page>, !twilight.selection<token>, !twilight.selection<page, kv_head>,
  !twilight.selection<page, query_head>, !twilight.selection<token, query_head>)

// CHECK-LABEL: func private @scores(!twilight.scores, !twilight.scores, !twilight.scores<query_head>)
func.func private @scores(!twilight.scores, !twilight.scores<kv_head>, !twilight.scores<query_head>)

// Neither do scores of f32.
// CHECK-LABEL: func private @half_scores(
// CHECK-SAME: !twilight.scores<f16>, !twilight.scores<f16>, !twilight.scores<query_head, f16>,
// CHECK-SAME: !twilight.scores, !twilight.scores, !twilight.scores<query_head>)
func.func private @half_scores(
  !twilight.scores<f16>, !twilight.scores<kv_head, f16>, !twilight.scores<query_head, f16>,
  !twilight.scores<f32>, !twilight.scores<kv_head, f32>, !twilight.scores<query_head, f32>)
