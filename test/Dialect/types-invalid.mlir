// Types are checked as they are parsed: these errors name the parameter, what it must be, and what was found.
// RUN: twilight-opt %s --split-input-file -verify-diagnostics

// expected-error @below {{kv_heads must be positive, found 0}}
func.func private @f(!twilight.cache<kv_heads = 0, head_dim = 128, page_size = 16, bf16, hnd>)

// -----

// expected-error @below {{kv_heads must be positive, found -8}}
func.func private @f(!twilight.cache<kv_heads = -8, head_dim = 128, page_size = 16, bf16, hnd>)

// -----

// expected-error @below {{head_dim must be a positive multiple of 8, found 100}}
func.func private @f(!twilight.cache<kv_heads = 8, head_dim = 100, page_size = 16, bf16, hnd>)

// -----

// expected-error @below {{head_dim must be a positive multiple of 8, found 0}}
func.func private @f(!twilight.cache<kv_heads = 8, head_dim = 0, page_size = 16, bf16, hnd>)

// -----

// expected-error @below {{page_size must be a power of two, found 24}}
func.func private @f(!twilight.cache<kv_heads = 8, head_dim = 128, page_size = 24, bf16, hnd>)

// -----

// expected-error @below {{page_size must be a power of two, found 0}}
func.func private @f(!twilight.cache<kv_heads = 8, head_dim = 128, page_size = 0, bf16, hnd>)

// -----

// expected-error @below {{blocked codes need pages of 4 tokens or more, found page_size = 2: drop 'blocked'}}
func.func private @f(!twilight.cache<kv_heads = 8, head_dim = 128, page_size = 2, bf16, hnd, codes = <bits = 4, blocked>>)

// -----

// expected-error @below {{keys and values must be f16, bf16 or f32, found 'f64'}}
func.func private @f(!twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, f64, hnd>)

// -----

// expected-error @below {{keys and values must be f16, bf16 or f32, found 'i8'}}
func.func private @f(!twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, i8, hnd>)

// -----

// expected-error @below {{summary must be a page summary such as #twilight.min_max<bf16>, found #twilight.quest}}
func.func private @f(!twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, summary = #twilight.quest>)

// -----

// expected-error @below {{expected the layout 'hnd' or 'nhd', found 'dhn'}}
func.func private @f(!twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, dhn>)

// -----

// expected-error @below {{expected 'codes' or 'summary', each once, found 'labels'}}
func.func private @f(!twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, labels = 4>)

// -----

// expected-error @below {{expected 'codes' or 'summary', each once, found 'codes'}}
func.func private @f(!twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4>, codes = <bits = 4>>)

// -----

// expected-error @below {{codes have 2, 4 or 8 bits, found bits = 3}}
func.func private @f(!twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 3>>)

// -----

// expected-error @+2 {{expected ::twilight::Unit to be one of: page, token}}
// expected-error @+1 {{failed to parse Twilight_SelectionType parameter 'unit'}}
func.func private @f(!twilight.selection<block>)

// -----

// expected-error @below {{scores must be f32 or f16, found 'bf16'}}
func.func private @f(!twilight.scores<bf16>)

// -----

// expected-error @below {{scores must be f32 or f16, found 'i16'}}
func.func private @f(!twilight.scores<query_head, i16>)

// -----

// expected-error @below {{expected the lists 'kv_head' or 'query_head', or the element type f32 or f16}}
func.func private @f(!twilight.scores<head>)

// -----

// expected-error @below {{expected the element type f32 or f16}}
func.func private @f(!twilight.scores<query_head, kv_head>)

// -----

// The element type comes last.
// expected-error @below {{expected '>'}}
func.func private @f(!twilight.scores<f16, query_head>)
