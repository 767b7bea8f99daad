// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The C API of artifacts but for launching: loading, introspection, sizes.
#include "Arguments.h"
#include "Artifact.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

using namespace twilight::runtime;

namespace {

std::string readFile(const std::string &path, twilight_status status, const char *what) {
  std::string contents;
  std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  char buffer[1 << 16];
  while (file && !std::ferror(file.get()) && !std::feof(file.get()))
    contents.append(buffer, std::fread(buffer, 1, sizeof(buffer), file.get()));
  if (!file || std::ferror(file.get()))
    fail(status, "cannot read the ", what, " '", path, "': ", std::strerror(errno),
         "; pass the path of NAME.json as twilight-compile wrote it, with NAME.ptx beside it");
  return contents;
}

void checkIndex(int32_t index, size_t count, const char *what) {
  if (index < 0 || static_cast<size_t>(index) >= count)
    fail(TWILIGHT_ERROR_BAD_ARGUMENT, "there is no ", what, " ", index, ", expected 0 to ",
         static_cast<int64_t>(count) - 1, "; ask for the count first");
}

} // namespace

twilight_status twilight_artifact_load(twilight_driver *driver, const char *manifest_path, int32_t device,
                                       twilight_artifact **artifact, twilight_error *error) {
  return guarded(error, [&] {
    requireNotNull(driver, "driver");
    requireNotNull(manifest_path, "manifest_path");
    requireNotNull(artifact, "artifact");
    std::string path = manifest_path;
    Manifest manifest = parseManifest(readFile(path, TWILIGHT_ERROR_BAD_MANIFEST, "manifest"), path);
    std::string ptxPath = path.substr(0, path.find_last_of('/') + 1) + manifest.ptxFile;
    std::string ptx = readFile(ptxPath, TWILIGHT_ERROR_BAD_ARTIFACT, "PTX");
    *artifact = new twilight_artifact{{driver->impl, std::move(manifest), ptx.c_str(), device, path}};
  });
}

twilight_status twilight_artifact_load_text(twilight_driver *driver, const char *manifest, const char *ptx,
                                            int32_t device, twilight_artifact **artifact, twilight_error *error) {
  return guarded(error, [&] {
    requireNotNull(driver, "driver");
    requireNotNull(manifest, "manifest");
    requireNotNull(ptx, "ptx");
    requireNotNull(artifact, "artifact");
    Manifest parsed = parseManifest(manifest, "in memory");
    std::string source = "'" + parsed.pipeline + "'";
    *artifact = new twilight_artifact{{driver->impl, std::move(parsed), ptx, device, source}};
  });
}

void twilight_artifact_free(twilight_artifact *artifact) { delete artifact; }

const char *twilight_artifact_manifest(const twilight_artifact *artifact) {
  return artifact ? artifact->impl.manifest().text.c_str() : nullptr;
}

const char *twilight_artifact_pipeline(const twilight_artifact *artifact) {
  return artifact ? artifact->impl.manifest().pipeline.c_str() : nullptr;
}

const char *twilight_artifact_chip(const twilight_artifact *artifact) {
  return artifact ? artifact->impl.manifest().chipName.c_str() : nullptr;
}

int32_t twilight_artifact_device(const twilight_artifact *artifact) { return artifact ? artifact->impl.device() : -1; }

int32_t twilight_artifact_argument_count(const twilight_artifact *artifact) {
  return artifact ? static_cast<int32_t>(artifact->impl.manifest().arguments.size()) : 0;
}

twilight_status twilight_artifact_argument(const twilight_artifact *artifact, int32_t index,
                                           twilight_argument_info *info, twilight_error *error) {
  return guarded(error, [&] {
    requireNotNull(artifact, "artifact");
    requireNotNull(info, "info");
    const Manifest &manifest = artifact->impl.manifest();
    checkIndex(index, manifest.arguments.size(), "argument");
    const Argument &argument = manifest.arguments[index];
    *info = {};
    info->name = argument.name.c_str();
    info->shape = artifact->impl.argumentShape(index).c_str();
    info->kind = argument.kind;
    info->dtype = argument.dtype;
    info->rank = static_cast<int32_t>(argument.shape.size());
    for (int32_t i = 0; i < info->rank; ++i)
      info->dims[i] = argument.shape[i].isConstant() ? argument.shape[i].value() : -1;
  });
}

int32_t twilight_artifact_kernel_count(const twilight_artifact *artifact) {
  return artifact ? static_cast<int32_t>(artifact->impl.manifest().kernels.size()) : 0;
}

twilight_status twilight_artifact_kernel(const twilight_artifact *artifact, int32_t index, twilight_kernel_info *info,
                                         twilight_error *error) {
  return guarded(error, [&] {
    requireNotNull(artifact, "artifact");
    requireNotNull(info, "info");
    const Manifest &manifest = artifact->impl.manifest();
    checkIndex(index, manifest.kernels.size(), "kernel");
    const LoadedKernel &loaded = artifact->impl.kernel(index);
    *info = {manifest.kernels[index].name.c_str(), manifest.kernels[index].op.c_str(), loaded.registers,
             loaded.spillBytes, loaded.staticSharedBytes};
  });
}

twilight_status twilight_artifact_workspace_bytes(const twilight_artifact *artifact, const twilight_tensor *tensors,
                                                  int32_t count, size_t *bytes, twilight_error *error) {
  return guarded(error, [&] {
    requireNotNull(artifact, "artifact");
    requireNotNull(bytes, "bytes");
    const Manifest &manifest = artifact->impl.manifest();
    SymbolValues symbols = checkArguments(manifest, artifact->impl.device(), tensors, count, Check::Shapes);
    *bytes = static_cast<size_t>(evaluateWorkspace(manifest, symbols));
  });
}

size_t twilight_artifact_workspace_zeroed_bytes(const twilight_artifact *artifact) {
  return artifact ? static_cast<size_t>(artifact->impl.manifest().workspaceZeroedBytes) : 0;
}

twilight_status twilight_artifact_output_shape(const twilight_artifact *artifact, const twilight_tensor *tensors,
                                               int32_t count, int32_t index, int64_t *shape, int32_t *rank,
                                               twilight_error *error) {
  return guarded(error, [&] {
    requireNotNull(artifact, "artifact");
    requireNotNull(shape, "shape");
    requireNotNull(rank, "rank");
    const Manifest &manifest = artifact->impl.manifest();
    checkIndex(index, manifest.arguments.size(), "argument");
    SymbolValues symbols = checkArguments(manifest, artifact->impl.device(), tensors, count, Check::Shapes);
    const Argument &argument = manifest.arguments[index];
    int64_t sizes[TWILIGHT_MAX_RANK];
    for (size_t i = 0; i < argument.shape.size(); ++i)
      sizes[i] = evaluate(manifest, argument.shape[i], symbols, "a size of argument ", argument.name);
    std::memcpy(shape, sizes, argument.shape.size() * sizeof(int64_t));
    *rank = static_cast<int32_t>(argument.shape.size());
  });
}
