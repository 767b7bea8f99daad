// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// twilight-sparsify: dense attention into the adaptive sparse pipeline.

#include "twilight/Transforms/Sparsify.h"

#include "twilight/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace twilight;

namespace twilight {
#define GEN_PASS_DEF_SPARSIFYPASS
#include "twilight/Transforms/Passes.h.inc"
} // namespace twilight

FailureOr<GatherAttendOp> twilight::sparsifyAttend(RewriterBase &rewriter, AttendOp op, const SparsifyChoice &choice) {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(op);
  MLIRContext *context = op.getContext();
  Location loc = op.getLoc();

  bool selectPerHead = choice.group == SelectGroup::PerHead;
  Lists candidateLists = selectPerHead ? Lists::QueryHead : Lists::KvHead;
  bool keepPerHead = selectPerHead || choice.keepGroup == KeepGroup::PerHead;
  Lists keptLists = keepPerHead ? Lists::QueryHead : Lists::KvHead;
  Value counts = op.getCounts();
  if (counts && keepPerHead) {
    if (!counts.use_empty())
      return op.emitOpError() << "has counts for each kv head, which a list for each query head cannot give: use "
                                 "keep-group=union and a group other than per_head, or drop the counts";
    counts = {};
  }

  auto p = arith::ConstantOp::create(rewriter, loc, rewriter.getF32FloatAttr(static_cast<float>(choice.p)));
  auto makeSelect = [&](BudgetAttrInterface budget) {
    return SelectOp::create(rewriter, loc, SelectionType::get(context, Unit::Page, candidateLists), op.getQ(),
                            op.getCache(), choice.selector, budget, choice.group, choice.sink, choice.recent);
  };
  SelectOp select = makeSelect(choice.budget), fine = choice.fine ? makeSelect(choice.fine) : SelectOp();
  auto scoresType = ScoresType::get(context, candidateLists, choice.scores ? choice.scores : rewriter.getF32Type());
  auto score = QuantizeScoreOp::create(rewriter, loc, scoresType, op.getQ(), op.getCache(), select.getSelection(),
                                       fine ? fine.getSelection() : Value(), op.getSoftmaxScaleAttr());
  auto keep =
      TopPOp::create(rewriter, loc, SelectionType::get(context, Unit::Token, keptLists), score.getScores(), p,
                     KeepRule::Mass, choice.keepGroup, choice.minTokens, choice.maxTokens, choice.sink, choice.recent);
  // The verifiers know what each op needs, and which op fills a missing part: ask them before anything is replaced.
  if (failed(select.verify()) || (fine && failed(fine.verify())) || failed(score.verify()) || failed(keep.verify())) {
    for (Operation *created :
         {keep.getOperation(), score.getOperation(), fine.getOperation(), select.getOperation(), p.getOperation()})
      if (created)
        rewriter.eraseOp(created);
    return failure();
  }

  Value lse = op.getLse();
  auto gather = GatherAttendOp::create(rewriter, loc, op.getOut().getType(), lse ? lse.getType() : Type(),
                                       counts ? counts.getType() : Type(), op.getQ(), op.getCache(),
                                       keep.getSelection(), op.getSoftmaxScaleAttr());
  gather->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  rewriter.replaceAllUsesWith(op.getOut(), gather.getOut());
  if (lse)
    rewriter.replaceAllUsesWith(lse, gather.getLse());
  if (counts)
    rewriter.replaceAllUsesWith(counts, gather.getCounts());
  rewriter.eraseOp(op);
  return gather;
}

namespace {

struct SparsifyPass : twilight::impl::SparsifyPassBase<SparsifyPass> {
  using SparsifyPassBase::SparsifyPassBase;

  // Texts are read here, once, and not for every op.
  LogicalResult initialize(MLIRContext *context) override {
    Location loc = UnknownLoc::get(context);
    FailureOr<SelectorAttrInterface> parsedSelector = parseSelector(selector, loc);
    if (failed(parsedSelector))
      return failure();
    choice.selector = *parsedSelector;
    choice.budget = getDefaultBudget(choice.selector);
    if (!budget.empty()) {
      FailureOr<BudgetAttrInterface> parsedBudget = parseBudget(budget, loc);
      if (failed(parsedBudget))
        return failure();
      choice.budget = *parsedBudget;
    }
    if (!fine.empty()) {
      FailureOr<BudgetAttrInterface> parsedFine = parseBudget(fine, loc);
      if (failed(parsedFine))
        return failure();
      choice.fine = *parsedFine;
    }
    FailureOr<Type> parsedScores = parseScoreType(scores, loc);
    if (failed(parsedScores))
      return failure();
    choice.scores = *parsedScores;
    choice.p = p;
    choice.group = group;
    choice.keepGroup = keepGroup;
    choice.minTokens = minTokens;
    choice.maxTokens = maxTokens;
    choice.sink = sink;
    choice.recent = recent;
    return success();
  }

  void runOnOperation() override {
    constexpr remark::RemarkOpts remarkOpts = remark::RemarkOpts::name("sparsify").category("twilight-sparsify");
    SmallVector<AttendOp> attends;
    getOperation()->walk<WalkOrder::PreOrder>([&](AttendOp op) { attends.push_back(op); });

    IRRewriter rewriter(&getContext());
    DenseMap<Operation *, unsigned> seen;
    bool failedAny = false;
    for (AttendOp op : attends) {
      Location loc = op.getLoc();
      if (seen[op->getParentOfType<FunctionOpInterface>()]++ < skipFirst) {
        ++numSkipped;
        remark::missed(loc, remarkOpts) << remark::add("left dense: among the first {0} of its function",
                                                       unsigned(skipFirst));
        continue;
      }
      if (failed(sparsifyAttend(rewriter, op, choice))) {
        failedAny = true;
        continue;
      }
      ++numSparsified;
      remark::passed(loc, remarkOpts) << remark::add("attends to the tokens that hold {0} of the mass", choice.p);
    }
    if (failedAny)
      signalPassFailure();
  }

private:
  SparsifyChoice choice;
};

} // namespace
