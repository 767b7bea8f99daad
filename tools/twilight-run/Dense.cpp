// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The dense twin of a function.

#include "Dense.h"

#include "twilight/Transforms/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::tool;

/// Replaces a gather_attend whose counts nobody reads.
static void replaceByAttend(GatherAttendOp op) {
  OpBuilder builder(op);
  Type lse = op.getLse() ? op.getLse().getType() : Type();
  auto attend = AttendOp::create(builder, op.getLoc(), op.getOut().getType(), lse, Type(), op.getQ(), op.getCache(),
                                 op.getSoftmaxScaleAttr());
  op.getOut().replaceAllUsesWith(attend.getOut());
  if (lse)
    op.getLse().replaceAllUsesWith(attend.getLse());
  op.erase();
}

OwningOpRef<ModuleOp> tool::makeDense(const Signature &signature) {
  int out = signature.findResult("out"), lse = signature.findResult("lse");
  if (out < 0 || lse < 0)
    return {};
  func::FuncOp original = signature.function;
  OwningOpRef<ModuleOp> module = original->getParentOfType<ModuleOp>().clone();
  auto function = module->lookupSymbol<func::FuncOp>(original.getName());

  // Only out and lse come back, so that counts and candidates die.
  auto outPort = static_cast<unsigned>(out), lsePort = static_cast<unsigned>(lse);
  function.walk(
      [&](func::ReturnOp op) { op.getOperandsMutable().assign({op.getOperand(outPort), op.getOperand(lsePort)}); });
  Type types[] = {original.getResultTypes()[outPort], original.getResultTypes()[lsePort]};
  function.removeResAttrsAttr();
  function.setType(FunctionType::get(module->getContext(), function.getArgumentTypes(), types));
  function.setName(kDenseName);

  PassManager manager(module->getContext());
  manager.addPass(createInlineFusedPass());
  manager.addPass(createCanonicalizerPass());
  if (failed(manager.run(*module)))
    return {};
  SmallVector<GatherAttendOp> gathers;
  function.walk([&](GatherAttendOp op) { gathers.push_back(op); });
  bool canReplace =
      llvm::all_of(gathers, [](GatherAttendOp op) { return !op.getCounts() || op.getCounts().use_empty(); });
  if (gathers.empty() || !canReplace)
    return {};
  for (GatherAttendOp op : gathers)
    replaceByAttend(op);
  return module;
}
