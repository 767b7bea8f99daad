// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Reading and writing safetensors files.
//
// A file is: the header's length (u64), the header (JSON: name -> {dtype, shape, data_offsets}), the data. Everything
// in it is checked before it is used: a file may come from anywhere.

#include "Safetensors.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <nlohmann/json.hpp>

using namespace llvm;
using namespace twilight;
using namespace twilight::tool;
using Json = nlohmann::ordered_json;

static Error fail(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

const Tensor *TensorFile::find(StringRef name) const {
  auto found = tensors.find(name.str());
  return found == tensors.end() ? nullptr : &found->second;
}

std::string tool::describe(const Tensor &tensor) {
  std::string text = getName(tensor.dtype).str() + " [";
  interleave(tensor.shape, [&](int64_t size) { text += std::to_string(size); }, [&] { text += ", "; });
  return text + "]";
}

std::string TensorFile::listTensors() const {
  std::string text;
  for (const auto &[name, tensor] : tensors)
    if (made.count(name) == 0)
      text += (text.empty() ? "" : ", ") + name + " " + describe(tensor);
  return text.empty() ? "nothing" : text;
}

/// One entry of the header; data is everything after it.
static Expected<Tensor> readTensor(const Twine &where, const Json &entry, StringRef data) {
  auto text = [&](const char *key) {
    return entry.contains(key) && entry[key].is_string() ? entry[key].get<std::string>() : std::string();
  };
  auto numbers = [&](const char *key) -> std::optional<SmallVector<int64_t>> {
    if (!entry.contains(key) || !entry[key].is_array())
      return std::nullopt;
    SmallVector<int64_t> values;
    for (const Json &value : entry[key]) {
      if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t(INT64_MAX))
        return std::nullopt;
      values.push_back(value.get<int64_t>());
    }
    return values;
  };
  if (!entry.is_object())
    return fail(where + ": expected an object with dtype, shape and data_offsets");
  std::optional<DType> dtype = parseDType(text("dtype"));
  if (!dtype)
    return fail(where + ": expected a dtype of F16, BF16, F32, I32, I64, U8, I8, F8_E5M2, found '" + text("dtype") +
                "'");
  std::optional<SmallVector<int64_t>> shape = numbers("shape"), offsets = numbers("data_offsets");
  if (!shape || !offsets || offsets->size() != 2)
    return fail(where + ": expected a shape and two data_offsets of non-negative integers");
  uint64_t bytes = getByteSize(*dtype);
  for (int64_t size : *shape)
    bytes = SaturatingMultiply<uint64_t>(bytes, size);
  uint64_t begin = (*offsets)[0], end = (*offsets)[1];
  if (begin > end || end > data.size() || end - begin != bytes)
    return fail(where + ": expected " + Twine(bytes) + " bytes within the file's " + Twine(data.size()) +
                " bytes of data, found the range " + Twine(begin) + " to " + Twine(end));
  return Tensor{*dtype, *shape, std::vector<char>(data.begin() + begin, data.begin() + end)};
}

Expected<TensorFile> tool::readTensors(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fail("cannot read '" + path + "': " + buffer.getError().message());
  StringRef content = (*buffer)->getBuffer();
  uint64_t headerSize = content.size() < 8 ? 0 : support::endian::read64le(content.data());
  if (content.size() < 8 || headerSize > content.size() - 8)
    return fail("'" + path + "' is no safetensors file: expected a header of the length that its first 8 bytes name");
  StringRef header = content.substr(8, headerSize), data = content.drop_front(8 + headerSize);
  Json json = Json::parse(header.begin(), header.end(), /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return fail("'" + path + "' is no safetensors file: its header is no JSON object");
  TensorFile file;
  file.path = path.str();
  for (const auto &[name, entry] : json.items()) {
    if (name == "__metadata__") {
      for (const auto &[key, value] : entry.items())
        if (value.is_string())
          file.metadata[key] = value.get<std::string>();
      continue;
    }
    Expected<Tensor> tensor = readTensor("'" + path + "', tensor '" + name + "'", entry, data);
    if (!tensor)
      return tensor.takeError();
    file.tensors[name] = std::move(*tensor);
  }
  return file;
}

Error tool::writeTensors(const TensorFile &file) {
  Json header = Json::object();
  if (!file.metadata.empty())
    header["__metadata__"] = file.metadata;
  uint64_t offset = 0;
  for (const auto &[name, tensor] : file.tensors) {
    header[name] = {{"dtype", getName(tensor.dtype).str()},
                    {"shape", std::vector<int64_t>(tensor.shape.begin(), tensor.shape.end())},
                    {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize(alignTo(text.size(), 8), ' '); // readers map the data: keep it aligned
  std::error_code error;
  raw_fd_ostream stream(file.path, error);
  if (error)
    return fail("cannot write '" + file.path + "': " + error.message());
  char size[8];
  support::endian::write64le(size, text.size());
  stream.write(size, sizeof(size));
  stream << text;
  for (const auto &[name, tensor] : file.tensors)
    stream.write(tensor.bytes.data(), tensor.bytes.size());
  stream.close();
  if (stream.has_error())
    return fail("cannot write '" + file.path + "': " + stream.error().message());
  return Error::success();
}
