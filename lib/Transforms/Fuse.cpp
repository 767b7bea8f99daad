// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// twilight-fuse: the ops of a pipeline into one twilight.fused.

#include "twilight/Transforms/Fuse.h"

#include "twilight/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;
using namespace twilight;

namespace twilight {
#define GEN_PASS_DEF_FUSEPASS
#include "twilight/Transforms/Passes.h.inc"
} // namespace twilight

namespace {

std::string nameOf(Operation *op) { return ("'" + op->getName().getStringRef() + "'").str(); }

/// The ops of one pipeline, as far as they belong together.
class Pipeline {
public:
  explicit Pipeline(GatherAttendOp gather) : gather(gather), block(gather->getBlock()) {}

  /// Finds the ops; what is in the way, if anything.
  std::optional<FuseObstacle> collect();
  FusedOp outline(RewriterBase &rewriter, int64_t denseBelow);

private:
  std::optional<FuseObstacle> collectMakers();
  SelectOp findFine(QuantizeScoreOp score);
  void collectCounts();
  std::optional<FuseObstacle> checkReaders() const;
  std::optional<FuseObstacle> checkWrites() const;
  bool isMember(Operation *op) const { return llvm::is_contained(members, op); }

  GatherAttendOp gather;
  Block *block;
  SmallVector<Operation *> members; ///< after collect() in the order of the block
};

/// The select that makes the score's fine pages and nothing else, from the attention's query and cache.
SelectOp Pipeline::findFine(QuantizeScoreOp score) {
  auto fine = score.getFine() ? score.getFine().getDefiningOp<SelectOp>() : SelectOp();
  bool belongs = fine && fine.getSelection() != score.getSelection() && fine->getBlock() == block &&
                 fine.getQ() == gather.getQ() && fine.getCache() == gather.getCache();
  return belongs && fine->hasOneUse() ? fine : SelectOp();
}

/// From the attention backwards to the select.
std::optional<FuseObstacle> Pipeline::collectMakers() {
  members = {gather};
  auto other = [](Operation *op, StringRef what) {
    return FuseObstacle{FuseObstacle::OtherInputs, nameOf(op) + " reads another " + what.str() + " than the attention"};
  };
  auto checkInputs = [&](auto op) -> std::optional<FuseObstacle> {
    if (op.getQ() != gather.getQ())
      return other(op, "query");
    if (op.getCache() != gather.getCache())
      return other(op, "cache");
    return {};
  };
  for (Value made = gather.getSelection();;) {
    Operation *maker = made.getDefiningOp();
    if (!maker || maker->getBlock() != block || !isa<SelectOp, QuantizeScoreOp, TopPOp>(maker)) {
      std::string found = maker ? nameOf(maker) : "an argument";
      return FuseObstacle{FuseObstacle::ForeignSelection,
                          "the selection comes from " + found + ", not from a twilight.select of the same block"};
    }
    members.push_back(maker);
    if (auto select = dyn_cast<SelectOp>(maker))
      return checkInputs(select);
    if (auto score = dyn_cast<QuantizeScoreOp>(maker)) {
      if (auto obstacle = checkInputs(score))
        return obstacle;
      // A select of the fine pages goes along where it can; another list of them is an input like any other.
      if (SelectOp fine = findFine(score))
        members.push_back(fine);
      made = score.getSelection();
    } else {
      made = cast<TopPOp>(maker).getScores();
    }
  }
}

/// Counts need only what is inside, and are results of the whole.
void Pipeline::collectCounts() {
  for (Operation *maker : SmallVector<Operation *>(llvm::drop_begin(members)))
    for (Operation *user : maker->getUsers())
      if (auto count = dyn_cast<CountOp>(user);
          count && count.getCache() == gather.getCache() && count->getBlock() == block)
        members.push_back(count);
  llvm::sort(members, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
}

std::optional<FuseObstacle> Pipeline::checkReaders() const {
  for (Operation *member : members) {
    bool isResult = isa<GatherAttendOp, CountOp>(member);
    for (Operation *user : member->getUsers()) {
      if (!isResult && !isMember(user))
        return FuseObstacle{FuseObstacle::OtherReader,
                            "what " + nameOf(member) + " makes is also read by " + nameOf(user)};
      Operation *place = isResult ? block->findAncestorOpInBlock(*user) : nullptr;
      if (place && place->isBeforeInBlock(gather))
        return FuseObstacle{FuseObstacle::EarlyReader,
                            "the count is read by " + nameOf(user) + " before the attention"};
    }
  }
  return {};
}

/// The ops will all run where the attention stands.
std::optional<FuseObstacle> Pipeline::checkWrites() const {
  for (Operation &op : llvm::make_range(members.front()->getIterator(), members.back()->getIterator())) {
    if (isMember(&op) || isMemoryEffectFree(&op))
      continue;
    auto effects = getEffectsRecursively(&op);
    if (!effects || llvm::any_of(*effects, [](auto &effect) { return isa<MemoryEffects::Write>(effect.getEffect()); }))
      return FuseObstacle{FuseObstacle::Write, nameOf(&op) + " in between may write what the pipeline reads"};
  }
  return {};
}

std::optional<FuseObstacle> Pipeline::collect() {
  if (auto obstacle = collectMakers())
    return obstacle;
  collectCounts();
  if (auto obstacle = checkReaders())
    return obstacle;
  return checkWrites();
}

FusedOp Pipeline::outline(RewriterBase &rewriter, int64_t denseBelow) {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(gather);
  Location loc = gather.getLoc();
  // The attention's own operands first: query, cache.
  llvm::SetVector<Value> inputs, constants;
  inputs.insert_range(ValueRange{gather.getQ(), gather.getCache()});
  SmallVector<Value> outputs;
  for (Operation *member : members) {
    for (Value operand : member->getOperands())
      if (operand.getDefiningOp<arith::ConstantOp>())
        constants.insert(operand);
      else if (!isMember(operand.getDefiningOp()))
        inputs.insert(operand);
    if (isa<CountOp>(member))
      outputs.push_back(member->getResult(0));
  }
  outputs.insert(outputs.begin(), gather->result_begin(), gather->result_end());

  auto fused = FusedOp::create(rewriter, loc, TypeRange(outputs), inputs.getArrayRef(), ScheduleAttr(),
                               denseBelow > 0 ? rewriter.getI64IntegerAttr(denseBelow) : IntegerAttr());
  SmallVector<Location> argumentLocs;
  for (Value input : inputs)
    argumentLocs.push_back(input.getLoc());
  Block *body = rewriter.createBlock(&fused.getBody(), {}, ValueRange(inputs.getArrayRef()).getTypes(), argumentLocs);
  IRMapping inside;
  inside.map(inputs.getArrayRef(), body->getArguments());
  for (Value constant : constants)
    rewriter.clone(*constant.getDefiningOp(), inside);
  for (Operation *member : members)
    rewriter.clone(*member, inside);
  SmallVector<Value> yielded = llvm::map_to_vector(outputs, [&](Value output) { return inside.lookup(output); });
  YieldOp::create(rewriter, loc, yielded);
  rewriter.replaceAllUsesWith(outputs, fused.getOutputs());
  for (Operation *member : llvm::reverse(members))
    rewriter.eraseOp(member);
  return fused;
}

} // namespace

std::optional<FuseObstacle> twilight::fusePipeline(RewriterBase &rewriter, GatherAttendOp op, int64_t denseBelow) {
  Pipeline pipeline(op);
  if (auto obstacle = pipeline.collect())
    return obstacle;
  pipeline.outline(rewriter, denseBelow);
  return {};
}

namespace {

struct FusePass : twilight::impl::FusePassBase<FusePass> {
  using FusePassBase::FusePassBase;

  LogicalResult initialize(MLIRContext *context) override {
    if (denseBelow < 0)
      return emitError(UnknownLoc::get(context))
             << "dense-below must be a number of tokens, or 0 for none, found " << int64_t(denseBelow);
    return success();
  }

  void runOnOperation() override {
    constexpr remark::RemarkOpts remarkOpts = remark::RemarkOpts::name("fuse").category("twilight-fuse");
    SmallVector<GatherAttendOp> attentions;
    getOperation()->walk([&](GatherAttendOp op) {
      if (!isa<FusedOp>(op->getParentOp()))
        attentions.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (GatherAttendOp op : attentions) {
      Location loc = op.getLoc();
      std::optional<FuseObstacle> obstacle = fusePipeline(rewriter, op, denseBelow);
      if (!obstacle) {
        ++numFused;
        remark::passed(loc, remarkOpts) << remark::add("fused with what makes its selection");
        continue;
      }
      ++count(obstacle->kind);
      remark::missed(loc, remarkOpts) << remark::add("not fused: {0}", obstacle->message);
    }
  }

private:
  Statistic &count(FuseObstacle::Kind kind) {
    switch (kind) {
    case FuseObstacle::ForeignSelection:
      return numForeignSelection;
    case FuseObstacle::OtherInputs:
      return numOtherInputs;
    case FuseObstacle::OtherReader:
      return numOtherReader;
    case FuseObstacle::EarlyReader:
      return numEarlyReader;
    case FuseObstacle::Write:
      return numWrite;
    }
    llvm_unreachable("every obstacle is counted");
  }
};

} // namespace
