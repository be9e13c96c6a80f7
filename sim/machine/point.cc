// See point.h.
#include "sim/machine/point.h"

#include <fmt/format.h>

namespace xensim::sim {

namespace {

const char* op_name(PointOp op) {
  switch (op) {
    case PointOp::kLoad: return "load";
    case PointOp::kStore: return "store";
    case PointOp::kRmw: return "rmw";
    case PointOp::kRead: return "read";
    case PointOp::kWrite: return "write";
    case PointOp::kCopy: return "copy";
    case PointOp::kLock: return "lock";
    case PointOp::kUnlock: return "unlock";
    case PointOp::kSharedLoad: return "load";
    case PointOp::kSharedStore: return "store";
    case PointOp::kSharedRmw: return "rmw";
    case PointOp::kHalt: return "halt";
    case PointOp::kPause: return "pause";
    case PointOp::kBlocked: return "blocked";
    case PointOp::kDone: return "done";
    case PointOp::kGuest:
    case PointOp::kPlatform:
    case PointOp::kHypercall: break;
  }
  return "";
}

}  // namespace

std::string point_name(const PointKey& key) {
  if (key.text != nullptr) return key.text;
  switch (key.op) {
    case PointOp::kHypercall: return fmt::format("hypercall {}", key.number);
    case PointOp::kHalt:
    case PointOp::kPause:
    case PointOp::kBlocked:
    case PointOp::kDone: return op_name(key.op);
    default: return fmt::format("{} {}", op_name(key.op), xen::site_name(static_cast<xen::Site>(key.number)));
  }
}

}  // namespace xensim::sim
