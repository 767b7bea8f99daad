// The example pipeline's host function after each stage of twilight-to-ptx; the kernels have tests of their own.
// DEFINE: %{kernels} = twilight-opt %examples/quest_twilight.mlir --canonicalize --convert-twilight-to-gpu --canonicalize --cse
// RUN: %{kernels} | FileCheck %s --check-prefix=GPU --implicit-check-not="twilight.{{select|quantize_score|top_p|gather_attend|count|assemble_cache}} "
// RUN: %{kernels} --twilight-plan-workspace --canonicalize --cse | FileCheck %s --check-prefix=PLAN --implicit-check-not=memref.alloc
// RUN: twilight-opt %examples/quest_twilight.mlir --twilight-to-ptx | FileCheck %s --check-prefix=PLAN --implicit-check-not=memref.alloc

// Launches: what each op needs is allocated before its kernels; p is a buffer.
// GPU-LABEL: func.func @quest_twilight(
// GPU-SAME: memref<1xf32> {twilight.name = "p"}) -> (memref<?x9x64xf32> {twilight.name = "out"}, memref<?x9xf32> {twilight.name = "lse"}, memref<?x3xi32> {twilight.name = "counts"}, memref<?x3xi32> {twilight.name = "candidates"}) {
// GPU: %[[B:.*]] = memref.dim %[[TABLE:[a-z0-9]+]], %c0
// GPU: %[[PAGES:.*]] = memref.dim %[[TABLE]], %c1
// GPU: %[[K:.*]] = arith.minsi %{{.*}}, %[[PAGES]] : index
// GPU: %[[CANDIDATES:.*]] = memref.alloc(%[[B]], %[[K]]) : memref<?x3x?xi32>
// GPU: memref.alloc(%[[B]]) : memref<?x3xi32>
// GPU: memref.alloc(%[[B]], %[[PAGES]]) : memref<?x3x?xf32>
// GPU: gpu.launch_func @twilight_kernels::@quest_twilight_score_pages blocks in (%c3, %{{[0-9]+}}, %[[B]])
// GPU-SAME: {twilight.op = "twilight.select"}
// GPU: gpu.launch_func @twilight_kernels::@quest_twilight_choose_pages blocks in (%c3, %[[B]], %c1)
// GPU-SAME: {twilight.dependent_launch, twilight.op = "twilight.select"}
// GPU: %[[SLOTS:.*]] = arith.muli %[[K]], %c16
// GPU: memref.alloc(%[[B]], %[[SLOTS]]) : memref<?x9x?xf32>
// GPU: gpu.launch_func @twilight_kernels::@quest_twilight_quantize_score blocks in (%c3, %{{[0-9]+}}, %[[B]])
// GPU-SAME: {twilight.dependent_launch, twilight.op = "twilight.quantize_score"}
// GPU: %[[WORDS:.*]] = arith.divsi %{{.*}}, %c32
// GPU: memref.alloc(%[[B]], %[[WORDS]]) : memref<?x9x?xi32>
// GPU: memref.alloc(%[[B]], %[[SLOTS]]) : memref<?x3x?xi32>
// GPU: memref.alloc(%[[B]]) : memref<?x3xi32>
// GPU: gpu.launch_func @twilight_kernels::@quest_twilight_keep_mask blocks in (%c9, %[[B]], %c1)
// GPU-SAME: {twilight.dependent_launch, twilight.op = "twilight.top_p"}
// GPU: gpu.launch_func @twilight_kernels::@quest_twilight_compact_tokens blocks in (%c3, %[[B]], %c1)
// GPU-SAME: {twilight.dependent_launch, twilight.op = "twilight.top_p"}
// GPU: memref.alloc(%[[B]]) : memref<?x3x[[SPLITS:[0-9]+]]x3x66xf32>
// GPU: %[[OUT:.*]] = memref.alloc(%[[B]]) : memref<?x9x64xf32>
// GPU: %[[LSE:.*]] = memref.alloc(%[[B]]) : memref<?x9xf32>
// GPU: %[[COUNTS:.*]] = memref.alloc(%[[B]]) : memref<?x3xi32>
// GPU: gpu.launch_func @twilight_kernels::@quest_twilight_gather_attend blocks in (%c3, %c[[SPLITS]], %[[B]])
// GPU-SAME: {twilight.dependent_launch, twilight.op = "twilight.gather_attend"}
// GPU: gpu.launch_func @twilight_kernels::@quest_twilight_combine_splits blocks in (%c3, %[[B]], %c1)
// GPU-SAME: {twilight.dependent_launch, twilight.op = "twilight.gather_attend"}
// GPU: %[[COUNTED:.*]] = memref.alloc(%[[B]]) : memref<?x3xi32>
// GPU: gpu.launch_func @twilight_kernels::@quest_twilight_count blocks in (%[[B]], %c1, %c1)
// GPU-SAME: {twilight.dependent_launch, twilight.op = "twilight.count"}
// GPU-NOT: gpu.launch_func
// GPU: return %[[OUT]], %[[LSE]], %[[COUNTS]], %[[COUNTED]]

// Workspace: the four results are arguments, the other eight buffers lie one after the other at multiples of 256 bytes.
// PLAN-LABEL: func.func @quest_twilight(
// PLAN-SAME: memref<1xf32> {twilight.name = "p"}, %{{.*}}: memref<?x9x64xf32> {twilight.name = "out"}, %{{.*}}: memref<?x9xf32> {twilight.name = "lse"}, %{{.*}}: memref<?x3xi32> {twilight.name = "counts"}, %{{.*}}: memref<?x3xi32> {twilight.name = "candidates"}, %[[WS:.*]]: memref<?xi8> {twilight.name = "workspace"})
// PLAN-SAME: attributes {twilight.outputs = 4 : i64}
// PLAN: memref.view %[[WS]][%c0][%[[B:[a-z0-9_]+]], %[[K:[a-z0-9_]+]]] : memref<?xi8> to memref<?x3x?xi32>
// PLAN: %[[AT1:.*]] = arith.muli %{{.*}}, %c256
// PLAN: memref.view %[[WS]][%[[AT1]]][%[[B]]] : memref<?xi8> to memref<?x3xi32>
// PLAN: %[[AT2:.*]] = arith.muli %{{.*}}, %c256
// PLAN: memref.view %[[WS]][%[[AT2]]][%[[B]], %{{.*}}] : memref<?xi8> to memref<?x3x?xf32>
// PLAN: %[[AT3:.*]] = arith.muli %{{.*}}, %c256
// PLAN-COUNT-2: gpu.launch_func
// PLAN: memref.view %[[WS]][%[[AT3]]][%[[B]], %[[SLOTS:[a-z0-9_]+]]] : memref<?xi8> to memref<?x9x?xf32>
// PLAN: %[[AT4:.*]] = arith.muli %{{.*}}, %c256
// PLAN: gpu.launch_func
// PLAN: memref.view %[[WS]][%[[AT4]]][%[[B]], %{{.*}}] : memref<?xi8> to memref<?x9x?xi32>
// PLAN: %[[AT5:.*]] = arith.muli %{{.*}}, %c256
// PLAN: memref.view %[[WS]][%[[AT5]]][%[[B]], %[[SLOTS]]] : memref<?xi8> to memref<?x3x?xi32>
// PLAN: %[[AT6:.*]] = arith.muli %{{.*}}, %c256
// PLAN: memref.view %[[WS]][%[[AT6]]][%[[B]]] : memref<?xi8> to memref<?x3xi32>
// PLAN: %[[AT7:.*]] = arith.muli %{{.*}}, %c256
// PLAN-COUNT-2: gpu.launch_func
// PLAN: memref.view %[[WS]][%[[AT7]]][%[[B]]] : memref<?xi8> to memref<?x3x{{[0-9]+}}x3x66xf32>
// PLAN: %[[BYTES:.*]] = arith.muli %{{.*}}, %c256
// PLAN-COUNT-3: gpu.launch_func
// PLAN-NOT: gpu.launch_func
// PLAN: return %[[BYTES]], %[[B]], %[[B]], %[[B]], %[[B]] : index, index, index, index, index
