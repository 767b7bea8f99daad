// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A choice as tables and as JSON.

#include "twilight/Schedule/Explain.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace twilight;
namespace json = llvm::json;
using llvm::formatv;

static void writeStage(llvm::raw_ostream &out, llvm::StringRef stage, double bytes, double time,
                       llvm::StringRef limiter) {
  out << formatv("  {0,-16}{1,12:F1} MB{2,12:F1} us   {3}\n", stage, bytes / 1e6, time, limiter);
}

static void writeSizes(llvm::raw_ostream &out, llvm::StringRef name, const Problem &problem) {
  auto size = [](int64_t value) { return value > 0 ? std::to_string(value) : "?"; };
  out << formatv("{0} on {1}: batch {2}, {3} cached tokens, {4} kv heads of {5} query heads, head_dim {6}\n", name,
                 problem.target->chip, size(problem.batch), size(problem.tokens), problem.kvHeads, problem.group,
                 problem.headDim);
}

static void writeProblem(llvm::raw_ostream &out, llvm::StringRef name, const Problem &problem) {
  writeSizes(out, name, problem);
  out << formatv("  pages of {0} tokens, bounds {1}, codes of {2} bits", problem.pageSize, problem.bounds,
                 problem.codeBits);
  if (problem.tokens > 0)
    out << formatv("; {0} of {1} pages are candidates, {2} tokens kept (assumed: {3:P1})", problem.candidatePages,
                   problem.pages(), problem.keptTokens(), double(problem.keptTokens()) / problem.tokens);
  out << "\n";
}

static void writeHead(llvm::raw_ostream &out) {
  out << formatv("  {0,-16}{1,15}{2,15}   {3}\n", "stage", "must read", "predicted", "limited by");
}

static void writePrediction(llvm::raw_ostream &out, const Problem &problem, const Schedule &schedule,
                            const Prediction &prediction) {
  if (schedule.isBlock())
    out << formatv("  shared memory: {0} of {1} bytes a thread block; {2} rounds\n", prediction.sharedBytes,
                   problem.target->sharedBytesPerBlock, int64_t(prediction.rounds));
  writeHead(out);
  for (const StageCost &stage : prediction.stages)
    writeStage(out, stage.stage, stage.bytes, stage.time(), getName(stage.limiter()));
  if (prediction.overlapped > 0)
    out << formatv("  {0,-16}{1,15}{2,12:F1} us\n", "side by side", "", -prediction.overlapped);
  writeStage(out, "whole", problem.mustReadBytes(), prediction.time(), getName(prediction.limiter()));
  writeStage(out, "reading alone", problem.mustReadBytes(), predictLimit(problem), "the limit of any schedule");
  StageCost dense = predictDense(problem, pickDenseSplits(problem));
  writeStage(out, "dense instead", dense.bytes, dense.time(), getName(dense.limiter()));
}

void twilight::explain(llvm::raw_ostream &out, llvm::StringRef name, const Choice &choice) {
  if (choice.problem)
    writeProblem(out, name, *choice.problem);
  else
    out << name << "\n";
  out << formatv("  schedule: {0}, origin = {1}\n", choice.schedule.text(),
                 stringifyScheduleOrigin(choice.schedule.origin));
  out << "  because: " << choice.why << "\n";
  if (!choice.violation.empty())
    out << "  cannot run: " << choice.violation << "\n";
  if (choice.prediction)
    writePrediction(out, *choice.problem, choice.schedule, *choice.prediction);
  if (!choice.rejected.empty())
    out << "  passed over:\n";
  for (const Rejected &other : choice.rejected)
    out << formatv("    {0,-50} {1}\n", other.schedule.text(), other.why);
}

void twilight::explain(llvm::raw_ostream &out, const DenseChoice &choice) {
  writeSizes(out, "  twilight.attend", choice.problem);
  out << formatv("  splits: {0}, origin = {1}\n", choice.splits, stringifyScheduleOrigin(choice.origin));
  out << "  because: " << choice.why << "\n";
  if (const auto &cost = choice.prediction) {
    writeHead(out);
    writeStage(out, cost->stage, cost->bytes, cost->time(), getName(cost->limiter()));
  }
  if (!choice.rejected.empty())
    out << "  passed over:\n";
  for (const auto &[splits, cost] : choice.rejected)
    out << formatv("    splits: {0,-42} predicted {1:F1} us\n", splits, cost.time());
}

/// Two digits after the point are more than the model knows.
static double rounded(double value) { return std::round(value * 100) / 100; }

static json::Object stageAsJson(const StageCost &stage) {
  return json::Object{{"stage", stage.stage.str()},
                      {"must_read_bytes", int64_t(stage.bytes)},
                      {"predicted_us", rounded(stage.time())},
                      {"limiter", getName(stage.limiter())},
                      {"launch_us", rounded(stage.launch)},
                      {"latency_us", rounded(stage.latency)},
                      {"memory_us", rounded(stage.memory)},
                      {"occupancy_us", rounded(stage.occupancy)},
                      {"on_chip_us", rounded(stage.onChip)}};
}

static json::Object problemAsJson(const Problem &problem) {
  return json::Object{{"chip", llvm::StringRef(problem.target->chip)},
                      {"batch", problem.batch},
                      {"tokens", problem.tokens},
                      {"kv_heads", problem.kvHeads},
                      {"group", problem.group},
                      {"head_dim", problem.headDim},
                      {"page_size", problem.pageSize},
                      {"codes_bits", problem.codeBits},
                      {"bounds", problem.bounds},
                      {"candidate_pages", problem.candidatePages},
                      {"kept_tokens", problem.keptTokens()}};
}

json::Object twilight::explainAsJson(llvm::StringRef name, const Choice &choice) {
  json::Object result{{"pipeline", name.str()},
                      {"schedule", "#twilight.schedule<" + choice.schedule.text() +
                                       ", origin = " + stringifyScheduleOrigin(choice.schedule.origin).str() + ">"},
                      {"origin", stringifyScheduleOrigin(choice.schedule.origin)},
                      {"because", choice.why}};
  if (choice.problem)
    result["problem"] = problemAsJson(*choice.problem);
  if (const auto &prediction = choice.prediction) {
    json::Array stages;
    for (const StageCost &stage : prediction->stages)
      stages.push_back(stageAsJson(stage));
    result["stages"] = std::move(stages);
    result["overlapped_us"] = rounded(prediction->overlapped);
    result["predicted_us"] = rounded(prediction->time());
    result["limiter"] = getName(prediction->limiter());
    result["limit_us"] = rounded(predictLimit(*choice.problem));
    result["dense"] = stageAsJson(predictDense(*choice.problem, pickDenseSplits(*choice.problem)));
    if (choice.schedule.isBlock()) {
      result["shared_bytes"] = prediction->sharedBytes;
      result["rounds"] = int64_t(prediction->rounds);
    }
  }
  json::Array rejected;
  for (const Rejected &other : choice.rejected)
    rejected.push_back(
        json::Object{{"schedule", "#twilight.schedule<" + other.schedule.text() + ">"}, {"because", other.why}});
  result["passed_over"] = std::move(rejected);
  return result;
}

json::Object twilight::explainAsJson(const DenseChoice &choice) {
  json::Object result{{"splits", choice.splits},
                      {"origin", stringifyScheduleOrigin(choice.origin)},
                      {"because", choice.why},
                      {"batch", choice.problem.batch},
                      {"tokens", choice.problem.tokens}};
  if (choice.prediction)
    result["stage"] = stageAsJson(*choice.prediction);
  json::Array rejected;
  for (const auto &[splits, cost] : choice.rejected)
    rejected.push_back(json::Object{{"splits", splits}, {"predicted_us", rounded(cost.time())}});
  result["passed_over"] = std::move(rejected);
  return result;
}
