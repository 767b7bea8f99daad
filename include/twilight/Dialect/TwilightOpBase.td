// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Base classes of the ops and the types of their operands.

#ifndef TWILIGHT_DIALECT_OPBASE_TD
#define TWILIGHT_DIALECT_OPBASE_TD

include "twilight/Dialect/TwilightTypes.td"

// A dense buffer: a tensor before bufferization, a memref after it.
def Twilight_Buffer : AnyTypeOf<[AnyRankedTensor, AnyMemRef], "tensor or memref">;
// p: one number for all query heads, or one for each.
def Twilight_Level : AnyTypeOf<[F32, 1DTensorOf<[F32]>, MemRefRankOf<[F32], [1]>], "f32, or one f32 for each query head">;

// No effect but on memrefs: one that an op is given is read, one that it returns is new. Over tensors it is Pure.
def Twilight_BufferEffects : TraitList<[AlwaysSpeculatable, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]>;

class Twilight_Op<string opMnemonic, list<Trait> traits = []> : Op<Twilight_Dialect, opMnemonic, traits>;

#endif
