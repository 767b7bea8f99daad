// RUN: twilight-opt %s --split-input-file -verify-diagnostics

// expected-error @below {{#twilight.min_max is stored as f16, bf16, f32 or f8E5M2, found 'i8'}}
func.func private @f() attributes {x = #twilight.min_max<i8>}

// -----

// expected-error @below {{#twilight.mean_var is stored as f16, bf16 or f32, found 'f64'}}
func.func private @f() attributes {x = #twilight.mean_var<f64>}

// -----

// expected-error @below {{codes have 2, 4 or 8 bits, found bits = 3}}
func.func private @f() attributes {x = #twilight.codes<bits = 3>}

// -----

// expected-error @below {{codes have 2, 4 or 8 bits, found bits = 16}}
func.func private @f() attributes {x = #twilight.codes<bits = 16>}
