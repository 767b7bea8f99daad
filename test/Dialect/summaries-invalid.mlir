// RUN: twilight-opt %s --split-input-file -verify-diagnostics

// expected-error @below {{#twilight.min_max is stored as f16, bf16 or f32, found 'i8'}}
func.func private @f() attributes {x = #twilight.min_max<i8>}

// -----

// expected-error @below {{#twilight.mean_var is stored as f16, bf16 or f32, found 'f64'}}
func.func private @f() attributes {x = #twilight.mean_var<f64>}

// -----

// expected-error @below {{codes of 4 bits are supported, found bits = 8}}
func.func private @f() attributes {x = #twilight.codes<bits = 8>}
