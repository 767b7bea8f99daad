// Codes in planes on a GPU: which pieces are read and written, one ranking for two budgets, and low planes of fine pages.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse --split-input-file | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 128, page_size = 16, f16, hnd, codes = <bits = 4, planes>>

// A plane's row is 4 pieces of 8 bytes, and every page before holds 64 more of low planes, which begin 64 pieces on.
// CHECK-LABEL: gpu.func @score_quantize_score
// CHECK: invariant {alignment = 2 : i64} : !llvm.ptr<1> -> f16
// CHECK: %[[ROW:.*]] = arith.muli %[[AT:.*]], %c4_i32 : i32
// CHECK-NEXT: %[[PAGE:.*]] = arith.shrui %[[AT]], %c4_i32 : i32
// CHECK-NEXT: %[[BEFORE:.*]] = arith.muli %[[PAGE]], %c64_i32 : i32
// CHECK-NEXT: %[[FIRST:.*]] = arith.addi %[[ROW]], %[[BEFORE]] : i32
// CHECK: "ld.global.nc.L1::no_allocate.L2::cache_hint.L2::256B.v2.b32
// CHECK: arith.addi %[[FIRST]], %c64_i32
// CHECK-NOT: "mov.b32
// CHECK: lop3.b32
// CHECK: nvvm.mma.sync
func.func @score(%q: tensor<?x8x128xf16>, %k: tensor<?x2x16x128xf16>, %codes: tensor<?x2x16x64xi8>, %s: tensor<?x2x16xf16>,
                 %t: tensor<?x?xi32>, %n: tensor<?xi32>) -> tensor<?x8x?xf32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x128xf16>) v_pages(%k : tensor<?x2x16x128xf16>)
      codes(%codes : tensor<?x2x16x64xi8>) scale(%s : tensor<?x2x16xf16>) zero(%s : tensor<?x2x16xf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !cache
  %pages = twilight.select %q, %c selector(#twilight.full) budget(#twilight.all) : tensor<?x8x128xf16>, !cache -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %c, %pages : tensor<?x8x128xf16>, !cache, !twilight.selection<page> -> !twilight.scores
  %logits = twilight.logits %scores : !twilight.scores -> tensor<?x8x?xf32>
  return %logits : tensor<?x8x?xf32>
}

// A lane's four codes are a byte in each plane; the low one lies 512 bytes on.
// CHECK-LABEL: gpu.func @append_append
// CHECK: arith.muli %{{.*}}, %c32_i64
// CHECK: llvm.store %{{.*}} : i8, !llvm.ptr<1>
// CHECK: arith.addi %{{.*}}, %c512_i64
// CHECK: llvm.store %{{.*}} : i8, !llvm.ptr<1>
func.func @append(%k: memref<?x2x16x128xf16>, %codes: memref<?x2x16x64xi8>, %s: memref<?x2x16xf16>, %t: memref<?x?xi32>,
                  %n: memref<?xi32>, %new: memref<?x1x2x128xf16>) {
  %c = twilight.assemble_cache k_pages(%k : memref<?x2x16x128xf16>) v_pages(%k : memref<?x2x16x128xf16>)
      codes(%codes : memref<?x2x16x64xi8>) scale(%s : memref<?x2x16xf16>) zero(%s : memref<?x2x16xf16>)
      page_table(%t : memref<?x?xi32>) seq_lens(%n : memref<?xi32>) -> !cache
  %next = twilight.append %c, %new, %new : !cache, memref<?x1x2x128xf16>, memref<?x1x2x128xf16>
  return
}

// -----

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, blocked, planes>, summary = #twilight.min_max<f16>>
!q = tensor<?x8x64xf16>

// Two selects of one query differ in the budget only: pages are scored once. Another query has a ranking of its own.
// CHECK-LABEL: func.func @progressive(
// CHECK: gpu.launch_func @{{.*}}::@progressive_score_pages
// CHECK: gpu.launch_func @{{.*}}::@progressive_choose_pages
// CHECK: gpu.launch_func @{{.*}}::@progressive_choose_pages_2
// CHECK-NOT: @progressive_score_pages_2
// CHECK: gpu.launch_func @{{.*}}::@progressive_mark_coarse
// CHECK: gpu.launch_func @{{.*}}::@progressive_quantize_score
func.func @progressive(%q: !q, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x576xi8>, %m: tensor<?x2x2x64xf16>, %t: tensor<?x?xi32>,
                       %n: tensor<?xi32>) -> tensor<?x8x?xf32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>) codes(%codes : tensor<?x2x576xi8>)
      summary(%m : tensor<?x2x2x64xf16>) page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !cache
  %pages = twilight.select %q, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
  %fine = twilight.select %q, %c selector(#twilight.quest) budget(#twilight.fraction<0.0625>) : !q, !cache -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %c, %pages fine(%fine : !twilight.selection<page>) : !q, !cache, !twilight.selection<page> -> !twilight.scores
  %logits = twilight.logits %scores : !twilight.scores -> tensor<?x8x?xf32>
  return %logits : tensor<?x8x?xf32>
}

// Floors rank differently, and so does a page that was appended to in between.
// CHECK-LABEL: func.func @other_rankings(
// CHECK-COUNT-3: gpu.launch_func @{{.*}}::@other_rankings_score_pages
func.func @other_rankings(%q: !q, %k: memref<?x2x16x64xf16>, %codes: memref<?x2x576xi8>, %m: memref<?x2x2x64xf16>, %t: memref<?x?xi32>,
                          %n: memref<?xi32>, %new: memref<?x1x2x64xf16>) -> (tensor<?x2x?xi32>, tensor<?x2x?xi32>, tensor<?x2x?xi32>) {
  %c = twilight.assemble_cache k_pages(%k : memref<?x2x16x64xf16>) v_pages(%k : memref<?x2x16x64xf16>) codes(%codes : memref<?x2x576xi8>)
      summary(%m : memref<?x2x2x64xf16>) page_table(%t : memref<?x?xi32>) seq_lens(%n : memref<?xi32>) -> !cache
  %a = twilight.select %q, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
  %b = twilight.select %q, %c selector(#twilight.quest) budget(#twilight.fraction<0.0625>) {sink = 4 : i64} : !q, !cache -> !twilight.selection<page>
  %next = twilight.append %c, %new, %new : !cache, memref<?x1x2x64xf16>, memref<?x1x2x64xf16>
  %d = twilight.select %q, %c selector(#twilight.quest) budget(#twilight.fraction<0.125>) : !q, !cache -> !twilight.selection<page>
  %i, %x = twilight.selection_parts %a : !twilight.selection<page> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  %j, %y = twilight.selection_parts %b : !twilight.selection<page> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  %l, %z = twilight.selection_parts %d : !twilight.selection<page> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %i, %j, %l : tensor<?x2x?xi32>, tensor<?x2x?xi32>, tensor<?x2x?xi32>
}

// The mark is the sign: of an entry, and of a row, whose low plane is then not asked for.
// CHECK-LABEL: gpu.func @progressive_mark_coarse
// CHECK: scf.while
// CHECK: arith.ori %{{.*}}, %c-2147483648_i32
// CHECK-LABEL: gpu.func @progressive_quantize_score
// CHECK: arith.andi %{{.*}}, %c2147483647_i32
// CHECK: %[[FINE:.*]] = arith.cmpi sge, %{{.*}}, %c0_i32
// CHECK: "mov.b32 $0, 0; @$3 ld.global.nc{{.*}}, %[[FINE]] :
// CHECK: arith.andi %{{.*}}, %c32768_i32
