// RUN: twilight-opt %s --split-input-file -verify-diagnostics

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @below_nothing(%cache: !plain) {
  // expected-error @below {{'twilight.split_by_length' op below must be a positive number of tokens, found 0}}
  %shorter, %longer = twilight.split_by_length %cache below(0) : !plain
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @below_too_much(%cache: !plain) {
  // expected-error @below {{'twilight.split_by_length' op below must not be negative and must fit 32 bits, found 2147483648}}
  %shorter, %longer = twilight.split_by_length %cache below(2147483648) : !plain
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @append_to_part(%cache: !plain, %kv: tensor<?x1x3x64xf16>) {
  %shorter, %longer = twilight.split_by_length %cache below(100) : !plain
  // expected-error @below {{'twilight.append' op appends to a part of a batch: append to the whole cache before twilight.split_by_length}}
  %next = twilight.append %longer, %kv, %kv : !plain, tensor<?x1x3x64xf16>, tensor<?x1x3x64xf16>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @counts_of_floats(%cache: !plain, %n: tensor<?x3xf32>) {
  // expected-error @below {{'twilight.add_lengths' op counts must be ?x?xi32, found 'tensor<?x3xf32>'}}
  %0 = twilight.add_lengths %n, %cache : tensor<?x3xf32>, !plain
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @counts_of_any_lists(%cache: !plain, %n: tensor<?x?xi32>) {
  // expected-error @below {{'twilight.add_lengths' op counts must have a static number of lists, found 'tensor<?x?xi32>'}}
  %0 = twilight.add_lengths %n, %cache : tensor<?x?xi32>, !plain
  return
}
