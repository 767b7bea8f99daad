# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Says of every kernel in a lowered module what it reads, writes and computes with; fails where a rule is broken.

usage: twilight-opt FILE --convert-twilight-to-gpu --canonicalize --cse | describe_kernels.py [KERNEL=GROUP,GROUP...]
with the optional groups of parameters, by their first name, that a kernel lacks. The rules: a launch has the threads
that its kernel was compiled for; what a kernel writes, or one launched before it in the same function, it does not load
as invariant (such loads may come from a cache that the stores do not reach, or move ahead of the wait for that kernel's
end), unless a launch since then did not overlap the one before it; no atomics on buffers, and none on floats, because results must not depend on an order.
"""

import re
import sys

# Parameters that Kernels.h names; those in brackets are there for some configurations only.
CACHE = "k_pages v_pages [codes scale zero] [summary]"
LISTS = "indices list_counts"
PARAMETERS = {
    "score_pages": "q summary page_table seq_lens importance",
    "choose_pages": "importance seq_lens indices counts",
    "list_pages": "seq_lens indices counts",
    "quantize_score": "q codes scale zero page_table indices list_counts logits",
    "mark_coarse": "indices list_counts fine_indices fine_counts marked",
    "keep_mask": "logits [p] seq_lens indices list_counts keep",
    "compact_tokens": "keep seq_lens indices list_counts tokens token_counts",
    "gather_attend": f"q k_pages v_pages page_table seq_lens {LISTS} out [lse] [counts] partial",
    "attend": "q k_pages v_pages page_table seq_lens out [lse] [counts] partial",
    "combine_splits": f"partial seq_lens [{LISTS}] out [lse]",
    "merge": "out_a lse_a out_b lse_b out lse",
    "append": f"{CACHE} page_table seq_lens k v [new_lens]",
    "advance_lengths": "seq_lens [new_lens]",
    "count": "seq_lens indices list_counts result",
    "split_lengths": "seq_lens shorter longer",
    "add_lengths": "counts seq_lens result",
}
FUNCTION = re.compile(r"gpu\.func @(\w+)\((.*?)\) kernel attributes \{(.*)\} \{")
LAUNCH = re.compile(r"gpu\.launch_func\s+@\w+::@(\w+) blocks in \(.*?\) threads in \(%c(\d+)(?:_\w+)?, %c1(?:_\w+)?, %c1(?:_\w+)?\)")
ARGUMENT = re.compile(r"(%\w+) : !llvm\.ptr<1>")
HOST = re.compile(r"func\.func ")
# What leads from a launch's pointer back to the buffer.
SAME = re.compile(
    r"(%\w+) = (?:memref\.cast|memref\.extract_aligned_pointer_as_index|arith\.index_cast(?:ui)?|llvm\.inttoptr) (%\w+) :"
)
ADDRESS = re.compile(r"(%\w+) = llvm\.getelementptr (?:\w+ )?(%\w+)\[")
LOAD = re.compile(r"= llvm\.load (%\w+)( invariant)?")
STORE = re.compile(r"llvm\.store %[\w:#]+, (%\w+)")
ASSEMBLY = re.compile(r'llvm\.inline_asm .*?"(?:mov\.b32 [^"]*@\$\d )?((?:ld|st)\.global[^ ]*) .*?" (%\w+)')
ATOMIC = re.compile(r"llvm\.atomicrmw (\w+) .*: !llvm\.ptr<(\d)>, (\w+)")
PRODUCT = re.compile(r"nvvm\.mma\.sync.*mma_type<(\w+)>|nvvm\.mma\.sync.*\(vector<2x(\w+)>")


def names_of(stage, kernel, pointers):
    """The stage's parameter names, without the groups that the command line says this kernel lacks."""
    lacking = dict(argument.split("=") for argument in sys.argv[1:]).get(kernel, "").split(",")
    groups = [plain or optional for optional, plain in re.findall(r"\[([^\]]*)\]|(\S+)", PARAMETERS[stage])]
    names = [name for group in groups if group.split()[0] not in lacking for name in group.split()]
    if len(names) != pointers:
        sys.exit(f"{kernel}: {pointers} pointers, expected {len(names)}: {' '.join(names)}")
    return names


class Kernel:
    def __init__(self, match):
        self.name, parameters, attributes = match.groups()
        self.stage = max((s for s in PARAMETERS if re.search(rf"_{s}(_\d+)?$", self.name)), key=len)
        self.names = names_of(self.stage, self.name, parameters.count("!llvm.ptr<1>"))
        self.threads = int(re.search(r"known_block_size = array<i32: (\d+), 1, 1>", attributes)[1])
        if f"nvvm.maxntid = array<i32: {self.threads}, 1, 1>" not in attributes:
            sys.exit(f"{self.name}: known_block_size and nvvm.maxntid differ: {attributes}")
        self.base = {f"%arg{i}": name for i, name in enumerate(self.names)}
        self.reads, self.invariant, self.writes, self.products = set(), set(), set(), set()

    def take(self, line):
        if match := ADDRESS.search(line):
            self.base[match[1]] = self.base.get(match[2])
        if match := LOAD.search(line):
            self.read(match[1], bool(match[2]))
        if match := STORE.search(line):
            self.writes.add(self.base.get(match[1]))
        if match := ASSEMBLY.search(line):
            if match[1].startswith("ld"):
                self.read(match[2], ".nc" in match[1])
            else:
                self.writes.add(self.base.get(match[2]))
        if match := ATOMIC.search(line):
            if match[2] != "3" or not match[3].startswith("i"):
                sys.exit(f"{self.name}: an atomic on a buffer or a float: {line.strip()}")
        if match := PRODUCT.search(line):
            self.products.add(match[1] or match[2])

    def read(self, address, invariant):
        (self.invariant if invariant else self.reads).add(self.base.get(address))

    def describe(self):
        if both := sorted((self.invariant & self.writes) - {None}):
            sys.exit(f"{self.name}: writes what it loads as invariant: {', '.join(both)}")
        listed = lambda found: " ".join(n for n in self.names if n in found) or "nothing"  # noqa: E731
        text = f"{self.name}: {self.threads} threads, reads {listed(self.reads | self.invariant)}, writes {listed(self.writes)}"
        return text + "".join(f", {kind} products" for kind in sorted(self.products))


class Launch:
    def __init__(self, match, line, buffers):
        self.kernel, self.threads = match[1], int(match[2])
        self.overlaps = "twilight.dependent_launch" in line
        self.arguments = [buffers[argument] for argument in ARGUMENT.findall(line) if argument in buffers]


class Function:
    """The launches of a host function, in order, with the buffers that they are given."""

    def __init__(self):
        self.buffers, self.launches = {}, []

    def take(self, line):
        if match := SAME.search(line):
            self.buffers[match[1]] = self.buffers.get(match[2], match[2])
        if match := LAUNCH.search(line):
            self.launches.append(Launch(match, line, self.buffers))

    def check(self, kernels):
        writers = {}
        for launch in self.launches:
            kernel = kernels[launch.kernel]
            if not launch.overlaps:
                writers.clear()
            if len(launch.arguments) != len(kernel.names):
                sys.exit(f"{kernel.name}: {len(kernel.names)} pointers, the launch's buffers: {launch.arguments}")
            given = dict(zip(kernel.names, launch.arguments))
            for name in kernel.names:
                if name in kernel.invariant and given[name] in writers:
                    sys.exit(f"{kernel.name}: loads as invariant what {writers[given[name]]} writes: {name}")
            writers.update((given[name], kernel.name) for name in kernel.writes if name)


def main():
    kernels, functions, current = [], [Function()], None
    for line in sys.stdin:
        if HOST.search(line):
            functions.append(Function())
        functions[-1].take(line)
        if match := FUNCTION.search(line):
            current = Kernel(match)
            kernels.append(current)
        elif current:
            current.take(line)
    threads = {launch.kernel: launch.threads for function in functions for launch in function.launches}
    for kernel in kernels:
        if threads.get(kernel.name) != kernel.threads:
            sys.exit(f"{kernel.name}: compiled for {kernel.threads} threads, launched with {threads.get(kernel.name)}")
        print(kernel.describe())
    for function in functions:
        function.check({kernel.name: kernel for kernel in kernels})
    return 0 if kernels else sys.exit("no kernels")


if __name__ == "__main__":
    main()
