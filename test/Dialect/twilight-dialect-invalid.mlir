// RUN: twilight-opt %s --split-input-file -verify-diagnostics

// expected-error @below {{'twilight.name' of argument 0 must be a non-empty string, found 3}}
func.func private @f(tensor<?xf32> {twilight.name = 3 : i64})

// -----

// expected-error @below {{'twilight.name' of result 0 must be a non-empty string, found ""}}
func.func private @f() -> (tensor<?xf32> {twilight.name = ""})

// -----

// expected-error @below {{'twilight.dims' of argument 1 must be an array of strings, found [4]}}
func.func private @f(f32, tensor<?xf32> {twilight.dims = [4]})

// -----

// expected-error @below {{unknown attribute 'twilight.nmae' on argument 0; the dialect has 'twilight.name'}}
func.func private @f(tensor<?xf32> {twilight.nmae = "q"})

// -----

// expected-error @below {{'twilight.page_size' of argument 0 must be a positive integer, found 0}}
func.func private @f(tensor<?x?xi32> {twilight.page_size = 0 : i64})

// -----

// expected-error @below {{'twilight.page_size' of argument 0 must be a positive integer, found "16"}}
func.func private @f(tensor<?x?xi32> {twilight.page_size = "16"})
