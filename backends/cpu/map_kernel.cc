// Map kernels over operands with any strides.
#include <algorithm>

#include "backends/cpu/host.h"
#include "backends/cpu/kernel.h"
#include "backends/cpu/runner.h"
#include "backends/cpu/space.h"
#include "backends/cpu/strided_copy.h"

namespace tenon_cpu {
namespace {

// Positions [begin, end) of the space.
void MapPiece(const Kernel& kernel, const TenonLaunch& launch, const Space& space, char* const* bases, int64_t begin, int64_t end) {
  const Program& p = kernel.program;
  const int n_inputs = static_cast<int>(p.input_dtypes.size());
  const bool lines = space.rank <= 1 || space.inner() >= 16;
  // Writing an output in place while an input that it may be is still to be read would be wrong.
  const bool in_place = !(p.outputs_early && (launch.flags & TENON_LAUNCH_MAY_ALIAS) != 0);
  Runner runner(p, launch.scalars);
  runner.Enter(space, bases, launch.index_base);
  for (int64_t at = begin; at < end;) {
    const int64_t n = runner.Bind(at, end - at);
    for (size_t o = 0; in_place && o < p.outputs.size(); ++o) {
      const uint16_t v = p.outputs[o];
      const int operand = n_inputs + static_cast<int>(o);
      if (p.values[v].kind != Kind::kComputed) continue;
      const int64_t item = p.values[v].item;
      const bool contiguous = lines ? space.inner_stride(operand) == item || n == 1 : space.IsDense(operand, item);
      runner.Direct(v, contiguous ? bases[operand] + space.Offset(operand, at) : nullptr);
    }
    runner.Run(n);
    for (size_t o = 0; o < p.outputs.size(); ++o) {
      const uint16_t v = p.outputs[o];
      const int operand = n_inputs + static_cast<int>(o);
      const char* from = runner.Array(v, n);
      if (from == bases[operand] + space.Offset(operand, at) && p.values[v].kind == Kind::kComputed) continue;
      ScatterBlock(from, space, operand, bases[operand], at, n, p.values[v].item);
    }
    at += n;
  }
}

}  // namespace

void LaunchMap(const Kernel& kernel, const TenonLaunch& launch) {
  const Program& p = kernel.program;
  const uint32_t lead = static_cast<uint32_t>(p.input_dtypes.size());  // the first output
  Space space;
  MakeSpace(launch, 0xff, lead, kernel.reads_index, &space);
  char* bases[kMaxOperands];
  for (uint32_t k = 0; k < launch.n_operands; ++k) bases[k] = Address(launch.operands[k]);
  if (kernel.copies) {
    CopySpace(space, bases[0], bases[1], p.values[p.outputs[0]].item);
    return;
  }
  // About 100 us of work to a thread: waking it costs half of that.
  const int64_t work = static_cast<int64_t>(p.steps.size()) + 2;
  const int64_t grain = std::max<int64_t>(2048, (int64_t{64} << 10) * 3 / work / p.block * p.block);
  ParallelFor(space.count, grain, [&](int64_t begin, int64_t end) { MapPiece(kernel, launch, space, bases, begin, end); });
}

}  // namespace tenon_cpu
