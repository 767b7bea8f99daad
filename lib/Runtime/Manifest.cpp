// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Manifest.h"

#include "JsonReader.h"
#include "ManifestKernels.h"

#include <algorithm>
#include <cctype>

namespace twilight::runtime {

namespace {

bool isIdentifier(const std::string &name) {
  auto allowed = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])))
    return false;
  for (unsigned char c : name)
    if (!allowed(c))
      return false;
  return true;
}

twilight_kind parseKind(const JsonReader &json) {
  std::string name = json.string("\"input\", \"output\" or \"inout\"");
  if (name == "input")
    return TWILIGHT_INPUT;
  if (name == "output")
    return TWILIGHT_OUTPUT;
  if (name == "inout")
    return TWILIGHT_INOUT;
  json.bad("\"input\", \"output\" or \"inout\"");
}

twilight_dtype parseDtype(const JsonReader &json) {
  constexpr const char *expected = "one of f16, bf16, f32, i32, i8, f8E4M3FN, f8E5M2";
  std::string name = json.string(expected);
  for (int dtype = TWILIGHT_F16; dtype <= TWILIGHT_F8E5M2; ++dtype)
    if (name == twilight_dtype_name(static_cast<twilight_dtype>(dtype)))
      return static_cast<twilight_dtype>(dtype);
  json.bad(expected);
}

// A plain size or symbol; an expression is left for a second round, when every symbol is known.
void parseDimension(const JsonReader &json, Manifest &manifest, Argument &argument) {
  if (json.value().is_string()) {
    std::string name = json.string("a symbol");
    int index = isIdentifier(name) ? manifest.symbols.add(name) : -1;
    if (index < 0)
      json.bad("a symbol (letters, digits and _; at most " + std::to_string(SymbolTable::maximum) + " different ones)");
    argument.shape.push_back(Expression::symbol(index));
  } else if (json.value().is_array()) {
    if (argument.kind != TWILIGHT_OUTPUT)
      json.bad("a size or a symbol (only an output's size may be an expression)");
    argument.shape.push_back(Expression::constant(0));
  } else {
    argument.shape.push_back(Expression::constant(json.integer("a size (0 or more) or a symbol", 0)));
  }
}

Argument parseArgument(const JsonReader &json, Manifest &manifest) {
  json.object("an object with name, kind, dtype and shape");
  Argument argument;
  JsonReader name = json.field("name", "the argument's name");
  argument.name = name.string("the argument's name");
  if (manifest.findArgument(argument.name) >= 0)
    name.bad("a name of its own for each argument", "\"" + argument.name + "\" a second time");
  argument.kind = parseKind(json.field("kind", "\"input\", \"output\" or \"inout\""));
  argument.dtype = parseDtype(json.field("dtype", "one of f16, bf16, f32, i32, i8, f8E4M3FN, f8E5M2"));
  JsonReader shape = json.field("shape", "a list of sizes and symbols");
  shape.array("a list of sizes and symbols");
  if (shape.size() > TWILIGHT_MAX_RANK)
    shape.bad("at most " + std::to_string(TWILIGHT_MAX_RANK) + " dimensions", std::to_string(shape.size()));
  for (size_t i = 0; i < shape.size(); ++i)
    parseDimension(shape.element(i), manifest, argument);
  return argument;
}

// What may name symbols and arguments that come later in the manifest.
void finishArgument(const JsonReader &json, Manifest &manifest, Argument &argument) {
  JsonReader shape = json.field("shape", "a list");
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape.value()[i].is_array())
      argument.shape[i] = shape.element(i).expression(manifest.symbols);

  if (!json.has("values"))
    return;
  JsonReader values = json.field("values", "bounds");
  values.object("an object with min and max");
  if (argument.dtype != TWILIGHT_I32)
    values.bad("no bounds on an argument that is not i32", twilight_dtype_name(argument.dtype));
  ValueBounds bounds;
  bounds.minimum = values.field("min", "an expression").expression(manifest.symbols);
  bounds.maximum = values.field("max", "an expression").expression(manifest.symbols);
  if (values.has("lengths")) {
    JsonReader lengths = values.field("lengths", "an object");
    lengths.object("an object with argument and per");
    JsonReader name = lengths.field("argument", "the name of an i32 argument");
    bounds.lengths = manifest.findArgument(name.string("the name of an i32 argument"));
    if (bounds.lengths < 0 || manifest.arguments[bounds.lengths].dtype != TWILIGHT_I32 ||
        manifest.arguments[bounds.lengths].shape.size() != 1 || argument.shape.size() != 2)
      name.bad("the name of an i32 argument of rank 1, for one of rank 2");
    bounds.per = lengths.field("per", "an integer above 0").integer("an integer above 0", 1);
  }
  argument.values = bounds;
}

void parseHead(const JsonReader &top, Manifest &manifest) {
  JsonReader version = top.field("twilight_manifest", "1, the manifest version this runtime reads");
  if (version.integer("1, the manifest version this runtime reads", 0) != 1)
    version.bad("1, the manifest version this runtime reads");
  manifest.pipeline = top.field("pipeline", "the pipeline's name").string("the pipeline's name");

  JsonReader chip = top.field("chip", "a chip such as \"sm_90a\"");
  manifest.chipName = chip.string("a chip such as \"sm_90a\"");
  std::optional<Chip> parsedChip = parseChip(manifest.chipName);
  if (!parsedChip)
    chip.bad("a chip such as \"sm_90a\"");
  manifest.chip = *parsedChip;

  JsonReader ptx = top.field("ptx", "the name of the PTX file beside the manifest");
  manifest.ptxFile = ptx.string("the name of the PTX file beside the manifest");
  if (manifest.ptxFile.find_first_of("/\\") != std::string::npos)
    ptx.bad("the name of the PTX file beside the manifest, without folders");

  JsonReader ptxVersion = top.field("ptx_version", "a PTX version such as \"8.0\"");
  std::optional<PtxVersion> parsedVersion = parsePtxVersion(ptxVersion.string("a PTX version such as \"8.0\""));
  if (!parsedVersion)
    ptxVersion.bad("a PTX version such as \"8.0\"");
  manifest.ptxVersion = *parsedVersion;
}

void parseWorkspace(const JsonReader &json, Manifest &manifest) {
  json.object("an object with bytes and alignment");
  manifest.workspaceBytes = json.field("bytes", "an expression").expression(manifest.symbols);
  constexpr const char *expected = "a power of two, at most 256 (what device allocation gives)";
  JsonReader alignment = json.field("alignment", expected);
  manifest.workspaceAlignment = alignment.integer(expected, 1, 256);
  if (manifest.workspaceAlignment & (manifest.workspaceAlignment - 1))
    alignment.bad(expected);
  if (json.has("zeroed_bytes"))
    manifest.workspaceZeroedBytes = json.field("zeroed_bytes", "0 or more bytes").integer("0 or more bytes", 0);
}

} // namespace

int Manifest::findArgument(const std::string &name) const {
  for (size_t i = 0; i < arguments.size(); ++i)
    if (arguments[i].name == name)
      return static_cast<int>(i);
  return -1;
}

Manifest parseManifest(std::string text, const std::string &source) {
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception &exception) {
    fail(TWILIGHT_ERROR_BAD_MANIFEST, "manifest ", source, ": expected JSON, found an error in it: ", exception.what(),
         "; compile the pipeline again");
  }
  JsonReader top(json, "", source);
  top.object("an object");

  Manifest manifest;
  manifest.text = std::move(text);
  parseHead(top, manifest);

  JsonReader arguments = top.field("arguments", "a list of arguments");
  arguments.array("a list of arguments");
  for (size_t i = 0; i < arguments.size(); ++i)
    manifest.arguments.push_back(parseArgument(arguments.element(i), manifest));
  for (size_t i = 0; i < arguments.size(); ++i)
    finishArgument(arguments.element(i), manifest, manifest.arguments[i]);

  parseWorkspace(top.field("workspace", "an object with bytes and alignment"), manifest);
  parseKernels(top.field("kernels", "a list of kernels"), manifest);
  return manifest;
}

int64_t evaluate(const Manifest &manifest, const Expression &expression, const SymbolValues &symbols, const char *what,
                 const std::string &ofWhat) {
  int64_t result = 0;
  Expression::Outcome outcome = expression.evaluate(symbols, result);
  if (outcome == Expression::Outcome::Ok)
    return result;
  std::string values = expression.valuesText(manifest.symbols, symbols);
  std::string formula = expression.str(manifest.symbols);
  if (outcome == Expression::Outcome::Unbound)
    fail(TWILIGHT_ERROR_BAD_ARGUMENT, what, ofWhat, " = ", formula, " needs a size that no given argument has (",
         values, "); pass the shape of every argument");
  fail(TWILIGHT_ERROR_BAD_ARGUMENT, what, ofWhat, " = ", formula,
       outcome == Expression::Outcome::Overflow ? " does not fit 64 bits" : " divides by zero",
       values.empty() ? "" : " with ", values, "; check the shapes of the arguments");
}

int64_t evaluateWorkspace(const Manifest &manifest, const SymbolValues &symbols) {
  int64_t bytes = evaluate(manifest, manifest.workspaceBytes, symbols, "the workspace of ", manifest.pipeline);
  return std::max(bytes, manifest.workspaceZeroedBytes);
}

} // namespace twilight::runtime

const char *twilight_dtype_name(twilight_dtype dtype) {
  switch (dtype) {
  case TWILIGHT_F16:
    return "f16";
  case TWILIGHT_BF16:
    return "bf16";
  case TWILIGHT_F32:
    return "f32";
  case TWILIGHT_I32:
    return "i32";
  case TWILIGHT_I8:
    return "i8";
  case TWILIGHT_F8E4M3FN:
    return "f8E4M3FN";
  case TWILIGHT_F8E5M2:
    return "f8E5M2";
  case TWILIGHT_DTYPE_MAX_ENUM:
    break;
  }
  return "unknown";
}

size_t twilight_dtype_bytes(twilight_dtype dtype) {
  switch (dtype) {
  case TWILIGHT_F16:
  case TWILIGHT_BF16:
    return 2;
  case TWILIGHT_F32:
  case TWILIGHT_I32:
    return 4;
  case TWILIGHT_I8:
  case TWILIGHT_F8E4M3FN:
  case TWILIGHT_F8E5M2:
    return 1;
  case TWILIGHT_DTYPE_MAX_ENUM:
    break;
  }
  return 0;
}
