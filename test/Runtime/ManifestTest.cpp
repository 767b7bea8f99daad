// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RuntimeTest.h"

#include <cmath>
#include <filesystem>
#include <fstream>

namespace {

using nlohmann::json;

// A field of the example manifest set to something wrong (or removed, where the value is "<removed>").
struct BadField {
  const char *pointer; // JSON pointer
  const char *value;   // as JSON
  const char *path;    // how the message names it
  const char *expected;
};

// How GoogleTest names the parameter.
void PrintTo(const BadField &bad, std::ostream *stream) { *stream << bad.path; }

class BadManifest : public RuntimeTest, public ::testing::WithParamInterface<BadField> {};

TEST_P(BadManifest, IsRefused) {
  const BadField &bad = GetParam();
  json manifest = exampleManifest();
  json::json_pointer pointer(bad.pointer);
  if (std::string(bad.value) == "<removed>")
    manifest[pointer.parent_pointer()].erase(pointer.back());
  else
    manifest[pointer] = json::parse(bad.value);
  EXPECT_EQ(load(manifest), TWILIGHT_ERROR_BAD_MANIFEST);
  EXPECT_MESSAGE("'" + std::string(bad.path) + "': expected ");
  EXPECT_MESSAGE(bad.expected);
  EXPECT_MESSAGE("found ");
  EXPECT_MESSAGE("compile");
  EXPECT_EQ(artifact, nullptr);
}

const BadField badHeads[] = {
    {"/twilight_manifest", "<removed>", "twilight_manifest", "found no such field"},
    {"/twilight_manifest", "2", "twilight_manifest", "expected 1, the manifest version"},
    {"/twilight_manifest", "\"1\"", "twilight_manifest", "expected 1, the manifest version"},
    {"/pipeline", "<removed>", "pipeline", "the pipeline's name"},
    {"/pipeline", "3", "pipeline", "the pipeline's name"},
    {"/chip", "\"gfx90a\"", "chip", "a chip such as \"sm_90a\""},
    {"/chip", "<removed>", "chip", "a chip such as"},
    {"/ptx", "\"\"", "ptx", "the name of the PTX file"},
    {"/ptx", "\"../other.ptx\"", "ptx", "without folders"},
    {"/ptx", "\"a\\u0000b\"", "ptx", "the name of the PTX file"},
    {"/ptx_version", "8.0", "ptx_version", "a PTX version such as \"8.0\""},
    {"/ptx_version", "\"eight\"", "ptx_version", "a PTX version such as \"8.0\""},
    {"/workspace", "<removed>", "workspace", "an object with bytes and alignment"},
    {"/workspace", "1024", "workspace", "an object with bytes and alignment"},
    {"/workspace/bytes", "<removed>", "workspace.bytes", "found no such field"},
    {"/workspace/bytes", "\"N\"", "workspace.bytes", "\"N\", which is in no argument's shape"},
    {"/workspace/alignment", "48", "workspace.alignment", "a power of two"},
    {"/workspace/alignment", "512", "workspace.alignment", "at most 256"},
    {"/arguments", "{}", "arguments", "a list of arguments"},
    {"/kernels", "<removed>", "kernels", "a list of kernels"},
    {"/kernels", "[]", "kernels", "at least one kernel"},
};
INSTANTIATE_TEST_SUITE_P(Heads, BadManifest, ::testing::ValuesIn(badHeads));

const BadField badArguments[] = {
    {"/arguments/0", "\"q\"", "arguments[0]", "an object with name, kind, dtype and shape"},
    {"/arguments/0/name", "<removed>", "arguments[0].name", "the argument's name"},
    {"/arguments/1/name", "\"q\"", "arguments[1].name", "a name of its own"},
    {"/arguments/0/kind", "\"in\"", "arguments[0].kind", "\"input\", \"output\" or \"inout\""},
    {"/arguments/0/dtype", "\"f64\"", "arguments[0].dtype", "one of f16, bf16, f32, i32, i8"},
    {"/arguments/0/dtype", "<removed>", "arguments[0].dtype", "found no such field"},
    {"/arguments/0/shape", "4", "arguments[0].shape", "a list of sizes and symbols"},
    {"/arguments/0/shape", "[1,1,1,1,1,1,1,1,1]", "arguments[0].shape", "at most 8 dimensions"},
    {"/arguments/0/shape/1", "-4", "arguments[0].shape[1]", "a size (0 or more) or a symbol"},
    {"/arguments/0/shape/1", "4.5", "arguments[0].shape[1]", "a size (0 or more) or a symbol"},
    {"/arguments/0/shape/0", "\"2B\"", "arguments[0].shape[0]", "a symbol"},
    {"/arguments/0/shape/1", "[\"+\", \"B\", 1]", "arguments[0].shape[1]", "only an output's size"},
    {"/arguments/4/shape/0", "[\"+\", \"N\", 1]", "arguments[4].shape[0]", "in no argument's shape"},
    {"/arguments/1/values", "{\"min\": 0}", "arguments[1].values.max", "an expression"},
    {"/arguments/0/values", "{\"min\": 0, \"max\": 1}", "arguments[0].values", "not i32"},
    {"/arguments/1/values", R"({"min": 0, "max": 1, "lengths": {"argument": "q", "per": 1}})",
     "arguments[1].values.lengths.argument", "an i32 argument of rank 1"},
    {"/arguments/1/values", R"({"min": 0, "max": 1, "lengths": {"argument": "counts", "per": 0}})",
     "arguments[1].values.lengths.per", "an integer above 0"},
};
INSTANTIATE_TEST_SUITE_P(Arguments, BadManifest, ::testing::ValuesIn(badArguments));

const BadField badKernels[] = {
    {"/kernels/0/name", "<removed>", "kernels[0].name", "the kernel's name"},
    {"/kernels/1/grid", "[1, 1]", "kernels[1].grid", "three expressions"},
    {"/kernels/1/grid/0", "\"N\"", "kernels[1].grid[0]", "found the symbol \"N\""},
    {"/kernels/1/grid/0", "[\"mod\", \"B\", 2]", "kernels[1].grid[0]", "found the operator \"mod\""},
    {"/kernels/1/block", "[256]", "kernels[1].block", "three integers"},
    {"/kernels/1/block/0", "0", "kernels[1].block[0]", "at least 1"},
    {"/kernels/1/block/2", "65", "kernels[1].block[2]", "1024 and 64"},
    {"/kernels/1/block/0", "1024", "kernels[1].block", "at most 1024 threads"},
    {"/kernels/0/shared_bytes", "<removed>", "kernels[0].shared_bytes", "found no such field"},
    {"/kernels/0/cluster", "[0, 1, 1]", "kernels[0].cluster[0]", "at least 1"},
    {"/kernels/0/cluster", "[8, 4, 1]", "kernels[0].cluster", "at most 16"},
    {"/kernels/0/dependent_launch", "1", "kernels[0].dependent_launch", "true or false"},
    {"/kernels/0/cooperative", "1", "kernels[0].cooperative", "true or false"},
    {"/kernels/0/arguments", "<removed>", "kernels[0].arguments", "a list of kernel arguments"},
    {"/kernels/0/arguments/0", "{\"pointer\": \"k\"}", "kernels[0].arguments[0].pointer", "one of the manifest's"},
    {"/kernels/0/arguments/0", "{}", "kernels[0].arguments[0]", "exactly one of"},
    {"/kernels/0/arguments/0", "{\"u8\": 1}", "kernels[0].arguments[0]", "exactly one of"},
    {"/kernels/0/arguments/0", "{\"i32\": 1, \"i64\": 1}", "kernels[0].arguments[0]", "exactly one of"},
    {"/kernels/0/arguments/3", "{\"i32\": 1.5}", "kernels[0].arguments[3].i32", "an integer"},
    {"/kernels/0/arguments/4", "{\"f32\": \"B\"}", "kernels[0].arguments[4].f32", "a number"},
    {"/kernels/0/arguments/4", "{\"f32\": 1e300}", "kernels[0].arguments[4].f32", "f32's range"},
};
INSTANTIATE_TEST_SUITE_P(Kernels, BadManifest, ::testing::ValuesIn(badKernels));

TEST_F(RuntimeTest, NotJson) {
  openDriver();
  for (const char *text : {"", "{", "[]", "\"text\"", "{\"twilight_manifest\": 1,}", "\xff\xfe", "nul"})
    EXPECT_EQ(twilight_artifact_load_text(driver, text, examplePtx().c_str(), 0, &artifact, &error),
              TWILIGHT_ERROR_BAD_MANIFEST)
        << text;
  twilight_artifact_load_text(driver, "{\n\"a\": ]", "", 0, &artifact, &error);
  EXPECT_MESSAGE("line 2"); // where
}

TEST_F(RuntimeTest, ClustersNeedHopper) {
  json manifest = exampleManifest();
  manifest["chip"] = "sm_80";
  manifest["kernels"][0]["cluster"] = {2, 1, 1};
  EXPECT_EQ(load(manifest), TWILIGHT_ERROR_BAD_MANIFEST);
  EXPECT_MESSAGE("no cluster for a chip before sm_90");
}

TEST_F(RuntimeTest, CooperativeKernelsBeginAlone) {
  json manifest = exampleManifest();
  manifest["kernels"][0]["cooperative"] = true;
  manifest["kernels"][0]["dependent_launch"] = true;
  EXPECT_EQ(load(manifest), TWILIGHT_ERROR_BAD_MANIFEST);
  EXPECT_MESSAGE("no cooperative kernel with a dependent launch");
}

TEST_F(RuntimeTest, TooManySymbols) {
  json manifest = exampleManifest();
  for (int i = 0; i < 64; ++i)
    manifest["arguments"].push_back(
        {{"name", "a" + std::to_string(i)}, {"kind", "input"}, {"dtype", "f32"}, {"shape", {"S" + std::to_string(i)}}});
  EXPECT_EQ(load(manifest), TWILIGHT_ERROR_BAD_MANIFEST);
  EXPECT_MESSAGE("at most 64");
}

TEST_F(RuntimeTest, UnknownFieldsAreLeftToOthers) {
  json manifest = exampleManifest();
  manifest["statistics"] = {1, 2};
  manifest["kernels"][0]["registers"] = 40;
  EXPECT_OK(load(manifest));
}

// Any one value of a good manifest replaced by a wrong one gives a status, never a crash.
TEST_F(RuntimeTest, EveryFieldReplaced) {
  json flat = exampleManifest().flatten();
  openDriver();
  for (const auto &[pointer, ignored] : flat.items())
    for (const char *wrong : {"null", "-1", "9223372036854775807", "1e400", "\"\"", "[]", "{}", "[\"+\", 1, 2]"}) {
      json manifest = exampleManifest();
      json value = json::parse(wrong, nullptr, false);
      manifest[json::json_pointer(pointer)] = value.is_discarded() ? json(HUGE_VAL) : value;
      twilight_status status = load(manifest);
      EXPECT_TRUE(status == TWILIGHT_OK || status == TWILIGHT_ERROR_BAD_MANIFEST ||
                  status == TWILIGHT_ERROR_BAD_ARTIFACT)
          << pointer << " = " << wrong << ": " << error.message;
    }
}

TEST_F(RuntimeTest, LoadsFromFiles) {
  openDriver();
  std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "twilight-artifact";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::string path = (folder / "demo.json").string();
  EXPECT_EQ(twilight_artifact_load(driver, path.c_str(), 0, &artifact, &error), TWILIGHT_ERROR_BAD_MANIFEST);
  EXPECT_MESSAGE("cannot read the manifest '" + path + "': No such file");
  EXPECT_EQ(twilight_artifact_load(driver, folder.c_str(), 0, &artifact, &error), TWILIGHT_ERROR_BAD_MANIFEST);
  EXPECT_MESSAGE("Is a directory");

  std::string text = exampleManifest().dump(1);
  std::ofstream(path) << text;
  EXPECT_EQ(twilight_artifact_load(driver, path.c_str(), 0, &artifact, &error), TWILIGHT_ERROR_BAD_ARTIFACT);
  EXPECT_MESSAGE("cannot read the PTX");
  std::ofstream(folder / "demo.ptx") << examplePtx();
  ASSERT_OK(twilight_artifact_load(driver, path.c_str(), 0, &artifact, &error));
  EXPECT_EQ(twilight_artifact_manifest(artifact), text);
  std::filesystem::remove_all(folder);
}

} // namespace
