// RUN: twilight-opt %s --split-input-file -verify-diagnostics

// expected-error @below {{#twilight.min_max is stored as f16, bf16, f32, f8E5M2 or i8, found 'i16'}}
func.func private @f() attributes {x = #twilight.min_max<i16>}

// -----

// expected-error @below {{#twilight.min_max is stored as f16, bf16, f32, f8E5M2 or i8, found 'ui8'}}
func.func private @f() attributes {x = #twilight.min_max<ui8>}

// -----

// expected-error @below {{#twilight.mean_var is stored as f16, bf16 or f32, found 'i8'}}
func.func private @f() attributes {x = #twilight.mean_var<i8>}

// -----

// expected-error @below {{#twilight.mean_var is stored as f16, bf16 or f32, found 'f64'}}
func.func private @f() attributes {x = #twilight.mean_var<f64>}

// -----

// expected-error @below {{expected 'blocked' or 'planes' after the bits of codes, found 'interleaved'}}
func.func private @f() attributes {x = #twilight.codes<bits = 4, interleaved>}

// -----

// expected-error @below {{'planes' is given twice}}
func.func private @f() attributes {x = #twilight.codes<bits = 4, planes, blocked, planes>}

// -----

// expected-error @below {{planes are of 4 bits, two high and two low, found bits = 8: use bits = 4 or drop 'planes'}}
func.func private @f() attributes {x = #twilight.codes<bits = 8, planes>}

// -----

// expected-error @below {{codes have 2, 4 or 8 bits, found bits = 3}}
func.func private @f() attributes {x = #twilight.codes<bits = 3>}

// -----

// expected-error @below {{codes have 2, 4 or 8 bits, found bits = 16}}
func.func private @f() attributes {x = #twilight.codes<bits = 16>}
