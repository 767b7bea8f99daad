// RUN: twilight-opt %s --split-input-file -verify-diagnostics

// expected-error @below {{cluster must lie in 1 to 16, found 32}}
module attributes {test.a = #twilight.schedule<block, cluster = 32>} {}

// -----

// expected-error @below {{cluster must be 1, 2, 4, 8 or 16 thread blocks, found 3}}
module attributes {test.a = #twilight.schedule<block, cluster = 3>} {}

// -----

// expected-error @below {{spread must lie in 1 to 32, found 33}}
module attributes {test.a = #twilight.schedule<block, spread = 33>} {}

// -----

// expected-error @below {{the blocks that share an item are a cluster or spread over the chip: expected cluster = 1 beside spread = 4, found 2; set one of them to 1}}
module attributes {test.a = #twilight.schedule<block, cluster = 2, spread = 4>} {}

// -----

// expected-error @below {{select_warps work one item ahead in a block of its own: expected spread = 1, found 2; set select_warps to 0 or spread to 1}}
module attributes {test.a = #twilight.schedule<block, spread = 2, select_warps = 4>} {}

// -----

// expected-error @below {{warps must lie in 4 to 32, found 2}}
module attributes {test.a = #twilight.schedule<block, warps = 2>} {}

// -----

// expected-error @below {{select_warps must lie in 0 to 28, found -1}}
module attributes {test.a = #twilight.schedule<block, select_warps = -1>} {}

// -----

// expected-error @below {{select_warps work one item ahead in a block of its own: expected cluster = 1, found 2; set select_warps to 0 or cluster to 1}}
module attributes {test.a = #twilight.schedule<block, cluster = 2, select_warps = 4>} {}

// -----

// expected-error @below {{a thread block has at most 32 warps, found 16 warps and 17 select_warps; lower one of them}}
module attributes {test.a = #twilight.schedule<block, select_warps = 17>} {}

// -----

// expected-error @below {{gather_splits must lie in 1 to 64, found 0}}
module attributes {test.a = #twilight.schedule<grid, gather_splits = 0>} {}

// -----

// expected-error @below {{dense_splits must lie in 1 to 64, found 65}}
module attributes {test.a = #twilight.schedule<grid, dense_splits = 65>} {}

// -----

// expected-error @below {{a schedule of shape grid has gather_splits, dense_splits, origin; found 'cluster'}}
module attributes {test.a = #twilight.schedule<grid, cluster = 2>} {}

// -----

// expected-error @below {{a schedule of shape block has cluster, spread, warps, select_warps, resident, origin; found 'gather_splits'}}
module attributes {test.a = #twilight.schedule<block, gather_splits = 8>} {}

// -----

// expected-error @below {{'warps' is given twice}}
module attributes {test.a = #twilight.schedule<block, warps = 8, warps = 8>} {}

// -----

// expected-error @below {{expected the shape block or grid, found 'cluster'}}
module attributes {test.a = #twilight.schedule<cluster>} {}

// -----

// expected-error @below {{expected the origin user, table, model or default, found 'me'}}
module attributes {test.a = #twilight.schedule<block, origin = me>} {}

// -----

// expected-error @below {{resident must lie in 1 to 4, found 5}}
module attributes {test.a = #twilight.schedule<block, resident = 5>} {}

// -----

// expected-error @below {{a multiprocessor has at most 64 warps, found 3 resident thread blocks of 24 warps; lower one of them}}
module attributes {test.a = #twilight.schedule<block, warps = 24, resident = 3>} {}
