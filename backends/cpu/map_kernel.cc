// Map kernels over operands with any strides.
#include <algorithm>
#include <cstring>

#include "backends/cpu/host.h"
#include "backends/cpu/kernel.h"
#include "backends/cpu/runner.h"
#include "backends/cpu/space.h"
#include "backends/cpu/stream_store.h"
#include "backends/cpu/strided_copy.h"

namespace tenon_cpu {
namespace {

// Positions [begin, end) of the space.
void MapPiece(const Kernel& kernel, const TenonLaunch& launch, const Space& space,
              char* const* bases, int64_t begin, int64_t end) {
  const Program& p = kernel.program;
  const int n_inputs = static_cast<int>(p.input_dtypes.size());
  const bool lines = space.rank <= 1 || space.inner() >= 16;
  // Writing an output in place while an input that it may be is still to be read would be wrong.
  const bool may_alias = (launch.flags & TENON_LAUNCH_MAY_ALIAS) != 0;
  const bool in_place = !(p.outputs_early && may_alias);
  Runner runner(p, launch.scalars);
  runner.Enter(space, bases, launch.index_base);
  const bool large = space.count >= kStreamBytes / kMaxItem && space.rank == 1 && !may_alias;
  bool stream[kMaxOperands];
  for (size_t o = 0; o < p.outputs.size(); ++o) {
    const int operand = n_inputs + static_cast<int>(o);
    const int64_t item = p.values[p.outputs[o]].item;
    stream[o] = large && space.count * item >= kStreamBytes &&
                space.inner_stride(operand) == item &&
                reinterpret_cast<uintptr_t>(bases[operand]) % 64 == 0;
  }
  for (int64_t at = begin; at < end;) {
    const int64_t n = runner.Bind(at, end - at);
    for (size_t o = 0; in_place && o < p.outputs.size(); ++o) {
      const uint16_t v = p.outputs[o];
      const int operand = n_inputs + static_cast<int>(o);
      if (p.values[v].kind != Kind::kComputed || stream[o]) continue;
      const int64_t item = p.values[v].item;
      const bool contiguous =
          lines ? space.inner_stride(operand) == item || n == 1 : space.IsDense(operand, item);
      runner.Direct(v, contiguous ? bases[operand] + space.Offset(operand, at) : nullptr);
    }
    if (may_alias && p.passes_inputs) runner.KeepInputs(n);
    runner.Run(n);
    for (size_t o = 0; o < p.outputs.size(); ++o) {
      const uint16_t v = p.outputs[o];
      const int operand = n_inputs + static_cast<int>(o);
      const char* from = runner.Array(v, n);
      if (stream[o]) {
        StreamStore(bases[operand] + at * p.values[v].item, from, n * p.values[v].item);
        continue;
      }
      if (from == bases[operand] + space.Offset(operand, at) && p.values[v].kind == Kind::kComputed)
        continue;
      ScatterBlock(from, space, operand, bases[operand], at, n, p.values[v].item);
    }
    at += n;
  }
  if (large) StreamFence();
}

// A program of one array function where every operand is contiguous, or one element, along the
// innermost axis: the function is called line by line. False: it is something else.
bool LaunchLines(const Kernel& kernel, const TenonLaunch& launch, const Space& space,
                 char* const* bases) {
  const DirectCall& call = kernel.direct;
  if (call.fn == nullptr || space.rank < 2 || space.rank > 3 ||
      space.inner_stride(call.output) != call.output_item)
    return false;
  const int last = space.rank - 1;
  const char* from[3] = {};
  const int64_t* strides[3] = {};
  static constexpr int64_t kNowhere[TENON_ABI_MAX_RANK] = {};
  uint32_t splat = call.splat;
  for (int i = 0; i < 3; ++i) {
    const DirectCall::Argument& argument = call.arguments[i];
    strides[i] = kNowhere;
    if (argument.from == DirectCall::From::kInput) {
      from[i] = bases[argument.slot];
      strides[i] = space.strides[argument.slot];
      if (strides[i][last] == argument.item) continue;
      if (strides[i][last] != 0 || !call.heeds_splat) return false;
      splat |= 1u << i;
    } else if (argument.from != DirectCall::From::kNothing) {
      from[i] = reinterpret_cast<const char*>(argument.from == DirectCall::From::kScalar
                                                  ? &launch.scalars[argument.slot]
                                                  : &argument.bits);
    }
  }
  const int64_t inner = space.inner(), middle = space.sizes[last - 1];
  const int64_t lines = space.count / inner;
  char* const to = bases[call.output];
  int64_t near[4], far[4];  // from a line to the next, and from a plane to the next
  for (int i = 0; i < 4; ++i) {
    const int64_t* stride = i < 3 ? strides[i] : space.strides[call.output];
    near[i] = stride[last - 1];
    far[i] = space.rank == 3 ? stride[0] : 0;
  }
  ParallelFor(lines, std::max<int64_t>(1, call.grain / inner), [&](int64_t begin, int64_t end) {
    int64_t z = space.rank == 3 ? begin / middle : 0, y = begin - z * middle;
    for (int64_t line = begin; line < end; ++line) {
      const auto at = [&](int i) { return y * near[i] + z * far[i]; };
      call.fn(to + at(3), from[0] + at(0), from[1] + at(1), from[2] + at(2), inner, splat);
      if (++y == middle && space.rank == 3) y = 0, ++z;
    }
  });
  return true;
}

// One block of contiguous operands, what small tensors are: nothing needs to be looked for. False:
// it is something else.
bool LaunchBlock(const Kernel& kernel, const TenonLaunch& launch, char* const* bases) {
  const Program& p = kernel.program;
  const int64_t n = launch.rank == 0 ? 1 : launch.sizes[0];
  if (launch.rank > 1 || n > p.block || !p.indices.empty()) return false;
  for (uint32_t k = 0; n != 1 && k < launch.n_operands; ++k) {
    if (launch.operands[k].strides[0] != 1) return false;
  }
  const bool may_alias = (launch.flags & TENON_LAUNCH_MAY_ALIAS) != 0;
  const bool in_place = !(p.outputs_early && may_alias);
  Runner runner(p, launch.scalars);
  runner.BindArrays(bases);
  if (may_alias && p.passes_inputs) runner.KeepInputs(n);
  char* const* const to = bases + p.input_dtypes.size();
  for (size_t o = 0; in_place && o < p.outputs.size(); ++o) {
    if (p.values[p.outputs[o]].kind == Kind::kComputed) runner.Direct(p.outputs[o], to[o]);
  }
  runner.Run(n);
  for (size_t o = 0; o < p.outputs.size(); ++o) {
    const char* const from = runner.Array(p.outputs[o], n);
    if (from != to[o]) std::memcpy(to[o], from, n * p.values[p.outputs[o]].item);
  }
  return true;
}

}  // namespace

void LaunchMap(const Kernel& kernel, const TenonLaunch& launch) {
  const Program& p = kernel.program;
  const uint32_t lead = static_cast<uint32_t>(p.input_dtypes.size());  // the first output
  char* bases[kMaxOperands];
  for (uint32_t k = 0; k < launch.n_operands; ++k) bases[k] = Address(launch.operands[k]);
  if (LaunchBlock(kernel, launch, bases)) return;
  Space space;
  MakeSpace(launch, 0xff, lead, kernel.reads_index, &space);
  if (kernel.copies) {
    CopySpace(space, bases[0], bases[1], p.values[p.outputs[0]].item);
    return;
  }
  if (LaunchLines(kernel, launch, space, bases)) return;
  // About 100 us of work to a thread: waking it costs half of that.
  const int64_t work = static_cast<int64_t>(p.steps.size()) + 2;
  const int64_t grain = std::max<int64_t>(2048, (int64_t{64} << 10) * 3 / work / p.block * p.block);
  ParallelFor(space.count, grain, [&](int64_t begin, int64_t end) {
    MapPiece(kernel, launch, space, bases, begin, end);
  });
}

}  // namespace tenon_cpu
