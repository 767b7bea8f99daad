// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// ptxas -v: registers, spills and shared memory of each kernel.

#include "Ptxas.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"

using namespace llvm;
using namespace twilight;

std::optional<std::string> twilight::findPtxas() {
  if (auto found = sys::findProgramByName("ptxas"))
    return *found;
  if (auto found = sys::findProgramByName("ptxas", {"/usr/local/cuda/bin"}))
    return *found;
  return std::nullopt;
}

/// The number before `what` in a line: "106" of "Used 106 registers, ..." for " registers".
static int64_t numberBefore(StringRef line, StringRef what) {
  StringRef before = line.take_front(line.find(what));
  StringRef digits = before.take_back(before.size() - (before.find_last_not_of("0123456789") + 1));
  int64_t value = 0;
  return line.contains(what) && !digits.getAsInteger(10, value) ? value : 0;
}

StringMap<KernelResources> twilight::parsePtxasLog(StringRef log) {
  StringMap<KernelResources> kernels;
  KernelResources *current = nullptr;
  for (StringRef line : split(log, '\n')) {
    if (line.contains("Compiling entry function '"))
      current = &kernels[line.split('\'').second.split('\'').first];
    else if (current && line.contains(" bytes spill stores"))
      current->spilledBytes = numberBefore(line, " bytes spill stores");
    else if (current && line.contains(" registers")) {
      current->registers = numberBefore(line, " registers");
      current->sharedBytes = numberBefore(line, " bytes smem");
    }
  }
  return kernels;
}

Expected<StringMap<KernelResources>> twilight::assemble(StringRef ptxas, StringRef ptxFile, StringRef chip) {
  SmallString<128> log, cubin;
  if (std::error_code error = sys::fs::createTemporaryFile("twilight-ptxas", "log", log))
    return createStringError(error, "no temporary file for ptxas");
  FileRemover removeLog(log);
  if (std::error_code error = sys::fs::createTemporaryFile("twilight-ptxas", "cubin", cubin))
    return createStringError(error, "no temporary file for ptxas");
  FileRemover removeCubin(cubin);
  std::string arch = ("-arch=" + chip).str(), message;
  int status = sys::ExecuteAndWait(ptxas, {ptxas, "-v", arch, ptxFile, "-o", cubin}, std::nullopt,
                                   {StringRef(""), StringRef(log), StringRef(log)}, /*SecondsToWait=*/0,
                                   /*MemoryLimit=*/0, &message);
  auto text = MemoryBuffer::getFile(log, /*IsText=*/true);
  StringRef said = text ? (*text)->getBuffer() : "";
  if (status != 0)
    return createStringError("ptxas refuses '" + ptxFile + "': " + (message.empty() ? said.trim() : message));
  return parsePtxasLog(said);
}
