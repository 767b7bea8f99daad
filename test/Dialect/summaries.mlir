// Page summaries and formats of codes print what they were given.
// RUN: twilight-opt %s | twilight-opt | FileCheck %s
// RUN: twilight-opt %s --emit-bytecode | twilight-opt | FileCheck %s

// CHECK-DAG: bounds = #twilight.min_max<bf16>
// CHECK-DAG: bounds_coded = #twilight.min_max<i8>
// CHECK-DAG: bounds_small = #twilight.min_max<f8E5M2>
// CHECK-DAG: bounds_full = #twilight.min_max<f32>
// CHECK-DAG: codes = #twilight.codes<bits = 4>
// CHECK-DAG: codes_together = #twilight.codes<bits = 4, blocked>
// CHECK-DAG: codes_coarse = #twilight.codes<bits = 2>
// CHECK-DAG: codes_apart = #twilight.codes<bits = 4, planes>
// CHECK-DAG: codes_both = #twilight.codes<bits = 4, blocked, planes>
// CHECK-DAG: codes_fine = #twilight.codes<bits = 8>
// CHECK-DAG: spread = #twilight.mean_var<f16>
func.func private @summaries() attributes {
  bounds = #twilight.min_max<bf16>, bounds_small = #twilight.min_max<f8E5M2>, bounds_coded = #twilight.min_max<i8>, bounds_full = #twilight.min_max<f32>, spread = #twilight.mean_var<f16>,
  codes = #twilight.codes<bits = 4>, codes_coarse = #twilight.codes<bits = 2>, codes_together = #twilight.codes<bits = 4, blocked>, codes_fine = #twilight.codes<bits = 8>,
  codes_apart = #twilight.codes<bits = 4, planes>, codes_both = #twilight.codes<bits = 4, planes, blocked>}
