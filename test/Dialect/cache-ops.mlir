// Ops on caches print what they were given and parse back, over tensors and over memrefs.
// RUN: twilight-opt %s | twilight-opt | FileCheck %s
// RUN: twilight-opt %s --mlir-print-op-generic | twilight-opt | FileCheck %s
// RUN: twilight-opt %s --emit-bytecode | twilight-opt | FileCheck %s

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
!nhd = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, nhd>
!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<bf16>>

// CHECK-LABEL: func @assemble_plain
func.func @assemble_plain(%k: tensor<?x3x16x64xf16>, %v: tensor<?x3x16x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) -> !plain {
  // CHECK: twilight.assemble_cache k_pages(%{{.*}} : tensor<?x3x16x64xf16>) v_pages(%{{.*}} : tensor<?x3x16x64xf16>) page_table(%{{.*}} : tensor<?x?xi32>) seq_lens(%{{.*}} : tensor<?xi32>) -> !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x3x16x64xf16>) v_pages(%v : tensor<?x3x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  return %cache : !plain
}

// The pool's size may be known; pages of the nhd layout have their heads behind their tokens.
// CHECK-LABEL: func @assemble_nhd
func.func @assemble_nhd(%k: tensor<100x16x3x64xf16>, %v: tensor<?x16x3x64xf16>, %table: tensor<2x7xi32>, %lens: tensor<2xi32>) -> !nhd {
  // CHECK: k_pages(%{{.*}} : tensor<100x16x3x64xf16>) v_pages(%{{.*}} : tensor<?x16x3x64xf16>) page_table(%{{.*}} : tensor<2x7xi32>) seq_lens(%{{.*}} : tensor<2xi32>)
  %cache = twilight.assemble_cache k_pages(%k : tensor<100x16x3x64xf16>) v_pages(%v : tensor<?x16x3x64xf16>)
      page_table(%table : tensor<2x7xi32>) seq_lens(%lens : tensor<2xi32>) -> !nhd
  return %cache : !nhd
}

// CHECK-LABEL: func @assemble_all
func.func @assemble_all(
    %k: memref<?x3x16x64xf16>, %v: memref<?x3x16x64xf16>, %codes: memref<?x3x16x32xi8>, %scale: memref<?x3x16xf16>,
    %zero: memref<?x3x16xf16>, %summary: memref<?x3x2x64xbf16>, %table: memref<?x?xi32>, %lens: memref<?xi32>) -> !cache {
  // CHECK: codes(%{{.*}} : memref<?x3x16x32xi8>) scale(%{{.*}} : memref<?x3x16xf16>) zero(%{{.*}} : memref<?x3x16xf16>) summary(%{{.*}} : memref<?x3x2x64xbf16>)
  %cache = twilight.assemble_cache k_pages(%k : memref<?x3x16x64xf16>) v_pages(%v : memref<?x3x16x64xf16>)
      codes(%codes : memref<?x3x16x32xi8>) scale(%scale : memref<?x3x16xf16>) zero(%zero : memref<?x3x16xf16>)
      summary(%summary : memref<?x3x2x64xbf16>) page_table(%table : memref<?x?xi32>) seq_lens(%lens : memref<?xi32>) -> !cache
  return %cache : !cache
}

// Every part can be read.
// CHECK-LABEL: func @parts
func.func @parts(%cache: !cache) {
  // CHECK: twilight.cache_part k_pages of %{{.*}} : !twilight.cache<{{.*}}> -> tensor<?x3x16x64xf16>
  %0 = twilight.cache_part k_pages of %cache : !cache -> tensor<?x3x16x64xf16>
  // CHECK: twilight.cache_part v_pages of
  %1 = twilight.cache_part v_pages of %cache : !cache -> tensor<?x3x16x64xf16>
  // CHECK: twilight.cache_part codes of %{{.*}} -> tensor<?x3x16x32xi8>
  %2 = twilight.cache_part codes of %cache : !cache -> tensor<?x3x16x32xi8>
  // CHECK: twilight.cache_part scale of %{{.*}} -> tensor<?x3x16xf16>
  %3 = twilight.cache_part scale of %cache : !cache -> tensor<?x3x16xf16>
  // CHECK: twilight.cache_part zero of
  %4 = twilight.cache_part zero of %cache : !cache -> tensor<?x3x16xf16>
  // CHECK: twilight.cache_part summary of %{{.*}} -> tensor<?x3x2x64xbf16>
  %5 = twilight.cache_part summary of %cache : !cache -> tensor<?x3x2x64xbf16>
  // CHECK: twilight.cache_part page_table of %{{.*}} -> tensor<?x?xi32>
  %6 = twilight.cache_part page_table of %cache : !cache -> tensor<?x?xi32>
  // CHECK: twilight.cache_part seq_lens of %{{.*}} -> tensor<?xi32>
  %7 = twilight.cache_part seq_lens of %cache : !cache -> tensor<?xi32>
  return
}

// CHECK-LABEL: func @append
func.func @append(%cache: !plain, %k: tensor<?x1x3x64xf16>, %v: tensor<?x1x3x64xf16>, %many: tensor<?x?x3x64xf16>, %lens: tensor<?xi32>) -> !plain {
  // CHECK: %[[ONE:.*]] = twilight.append %{{.*}}, %{{.*}}, %{{.*}} : !twilight.cache<{{.*}}>, tensor<?x1x3x64xf16>, tensor<?x1x3x64xf16>
  %one = twilight.append %cache, %k, %v : !plain, tensor<?x1x3x64xf16>, tensor<?x1x3x64xf16>
  // CHECK: twilight.append %[[ONE]], %{{.*}}, %{{.*}} new_lens(%{{.*}} : tensor<?xi32>) : !twilight.cache<{{.*}}>, tensor<?x?x3x64xf16>, tensor<?x?x3x64xf16>
  %two = twilight.append %one, %many, %many new_lens(%lens : tensor<?xi32>) : !plain, tensor<?x?x3x64xf16>, tensor<?x?x3x64xf16>
  return %two : !plain
}
