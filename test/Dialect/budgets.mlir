// Budgets print the shortest digits that mean the same number.
// RUN: twilight-opt %s | twilight-opt | FileCheck %s
// RUN: twilight-opt %s --emit-bytecode | twilight-opt | FileCheck %s

// CHECK-DAG: all = #twilight.all
// CHECK-DAG: one = #twilight.fraction<1.0>
// CHECK-DAG: quarter = #twilight.fraction<0.25>
// CHECK-DAG: millionth = #twilight.fraction<0.000001>
// CHECK-DAG: percents = #twilight.fraction<0.07>
// CHECK-DAG: third = #twilight.fraction<0.3333333333333333>
// CHECK-DAG: tokens = #twilight.tokens<8192>
func.func private @budgets() attributes {
  all = #twilight.all, quarter = #twilight.fraction<0.25>, one = #twilight.fraction<1.0>,
  millionth = #twilight.fraction<0.000001>, third = #twilight.fraction<0.3333333333333333148>,
  percents = #twilight.fraction<0.07>, tokens = #twilight.tokens<8192>}
