#include "backends/cpu/kernel.h"

#include <algorithm>

#include "backends/cpu/host.h"
#include "backends/cpu/reduce_plan.h"
#include "backends/cpu/space.h"
#include "backends/cpu/stream_store.h"
#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_cpu {
namespace {

constexpr int64_t kFastGrain = 64 << 10;

// About 50 us of one thread: what waking another costs.
int64_t DirectGrain(uint32_t op) {
  const bool slow = (op >= TENON_OP_EXP && op <= TENON_OP_POW) || op == TENON_OP_REM ||
                    op == TENON_OP_PHILOX || op >= TENON_OP_EXP2;
  return slow ? kFastGrain / 8 : kFastGrain;
}

// Recognises programs of one array function.
void FindDirect(const TenonProgram& source, const Program& p, DirectCall* direct) {
  if (p.outputs.size() != 1 || p.values.empty()) return;
  const uint16_t out = p.outputs[0];
  const Value& result = p.values[out];
  uint16_t names[3] = {};
  int operands = 0;
  ArrayFn fn = nullptr;
  bool heeds_splat = false;
  uint32_t op = TENON_OP_INPUT;
  if (p.steps.size() == 1 && p.steps[0].value == out && p.uniform_steps.empty() &&
      p.indices.empty()) {
    op = source.instr[out].op;
    operands = tenon_opcode_operands(op);
    fn = p.steps[0].fn;
    heeds_splat = p.steps[0].heeds_splat;
    names[0] = p.steps[0].a;
    names[1] = p.steps[0].b;
    names[2] = p.steps[0].c;
  } else if (p.steps.empty() && (result.kind == Kind::kScalar || result.kind == Kind::kConstant)) {
    fn = FindFill(result.item);
    operands = 1;
    names[0] = out;
  }
  for (int i = 0; i < operands; ++i) {
    const Value& v = p.values[names[i]];
    DirectCall::Argument& argument = direct->arguments[i];
    argument.slot = static_cast<uint8_t>(v.slot);
    argument.item = v.item;
    argument.bits = v.bits;
    argument.from = v.kind == Kind::kInput    ? DirectCall::From::kInput
                    : v.kind == Kind::kScalar ? DirectCall::From::kScalar
                                              : DirectCall::From::kConstant;
    if (argument.from == DirectCall::From::kInput) continue;
    if (heeds_splat)
      direct->splat |= 1u << i;
    else if (!p.steps.empty())
      return;  // would have to be spread out
  }
  direct->heeds_splat = heeds_splat;
  direct->output = static_cast<uint8_t>(p.input_dtypes.size());
  direct->output_item = result.item;
  direct->grain = DirectGrain(op);
  direct->fn = fn;
}

// Elements [begin, end) through a buffer in the first-level cache and past the others.
void CallStreaming(const DirectCall& call, char* to, const char* const* from, const int64_t* step,
                   int64_t begin, int64_t end, uint32_t splat) {
  alignas(64) char buffer[8 << 10];
  const int64_t chunk = static_cast<int64_t>(sizeof buffer) / call.output_item;
  for (int64_t at = begin; at < end; at += chunk) {
    const int64_t n = std::min(chunk, end - at);
    call.fn(buffer, from[0] + at * step[0], from[1] + at * step[1], from[2] + at * step[2], n,
            splat);
    StreamStore(to + at * call.output_item, buffer, n * call.output_item);
  }
  StreamFence();
}

// One axis at most, every operand contiguous (or, where the function takes that, one element for
// all). False: it is not such a launch, or something is wrong with it.
bool LaunchDirect(const Kernel& kernel, const TenonLaunch& launch) {
  const DirectCall& call = kernel.direct;
  if (launch.size != sizeof(TenonLaunch) || launch.rank > 1 ||
      launch.n_operands != kernel.n_operands || launch.n_scalars < kernel.n_scalars ||
      (launch.flags & ~TENON_LAUNCH_MAY_ALIAS) != 0 || launch.reduce_axes != 0) {
    return false;
  }
  const int64_t n = launch.rank == 0 ? 1 : launch.sizes[0];
  const TenonOperand& output = launch.operands[call.output];
  if (n <= 0 || output.dtype != kernel.dtypes[call.output] || output.buffer == 0 ||
      (n != 1 && output.strides[0] != 1))
    return false;
  const char* from[3] = {};
  int64_t step[3] = {};
  uint32_t splat = call.splat;
  char* const to = Address(output);
  bool in_place = false;
  for (int i = 0; i < 3; ++i) {
    const DirectCall::Argument& argument = call.arguments[i];
    if (argument.from == DirectCall::From::kNothing) break;
    if (argument.from == DirectCall::From::kInput) {
      const TenonOperand& operand = launch.operands[argument.slot];
      if (operand.dtype != kernel.dtypes[argument.slot] || operand.buffer == 0) return false;
      from[i] = Address(operand);
      in_place = in_place || from[i] == to;
      const int64_t stride = n == 1 ? 1 : operand.strides[0];
      if (stride == 1)
        step[i] = argument.item;
      else if (stride == 0 && call.heeds_splat)
        splat |= 1u << i;
      else
        return false;
    } else {
      from[i] = reinterpret_cast<const char*>(argument.from == DirectCall::From::kScalar
                                                  ? &launch.scalars[argument.slot]
                                                  : &argument.bits);
    }
  }
  if (n <= call.grain) {
    call.fn(to, from[0], from[1], from[2], n, splat);
    return true;
  }
  // Functions that compute for long gain nothing: what they wait for is not memory.
  const bool stream = n * call.output_item >= kStreamBytes && call.grain == kFastGrain &&
                      !in_place && reinterpret_cast<uintptr_t>(to) % 64 == 0;
  ParallelFor(n, call.grain, [&](int64_t begin, int64_t end) {
    if (stream)
      CallStreaming(call, to, from, step, begin, end, splat);
    else
      call.fn(to + begin * call.output_item, from[0] + begin * step[0], from[1] + begin * step[1],
              from[2] + begin * step[2], end - begin, splat);
  });
  return true;
}

TenonStatus CheckLaunch(const Kernel& kernel, const TenonLaunch& launch, TenonError* error) {
  if (launch.size < sizeof(TenonLaunch))
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: TenonLaunch of %u bytes", launch.size);
  if (launch.size > sizeof(TenonLaunch) && !tenon_struct_ok(&launch, sizeof launch))
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: unknown fields in a launch");
  if ((launch.flags & ~TENON_LAUNCH_MAY_ALIAS) != 0)
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: unknown launch flags %#x", launch.flags);
  if (launch.rank > TENON_ABI_MAX_RANK)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: rank %u", launch.rank);
  if (launch.n_operands != kernel.n_operands || launch.n_scalars < kernel.n_scalars) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT,
                      "cpu: %u operands and %u scalars for a kernel of %u and %u",
                      launch.n_operands, launch.n_scalars, kernel.n_operands, kernel.n_scalars);
  }
  if ((launch.n_operands > 0 && launch.operands == nullptr) ||
      (kernel.n_scalars > 0 && launch.scalars == nullptr)) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: a launch without its arrays");
  }
  if (launch.reduce_axes >> launch.rank != 0 ||
      (launch.reduce_axes != 0 && kernel.reduce == nullptr)) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: reduced axes %#x of rank %u",
                      launch.reduce_axes, launch.rank);
  }
  for (uint32_t d = 0; d < launch.rank; ++d) {
    if (launch.sizes[d] <= 0)
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: size %lld of axis %u",
                        (long long)launch.sizes[d], d);
  }
  for (uint32_t k = 0; k < launch.n_operands; ++k) {
    const TenonOperand& operand = launch.operands[k];
    if (kernel.dtypes[k] == 0) continue;
    if (operand.dtype != kernel.dtypes[k]) {
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: operand %u is %s, the program has %s",
                        k, tenon_dtype_name(operand.dtype), tenon_dtype_name(kernel.dtypes[k]));
    }
    if (operand.buffer == 0)
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: operand %u has no buffer", k);
  }
  return TENON_OK;
}

}  // namespace

Kernel::Kernel() = default;
Kernel::~Kernel() = default;

TenonStatus CreateKernel(const TenonKernelDesc& desc, std::unique_ptr<Kernel>* kernel,
                         TenonError* error) {
  if (desc.size < sizeof(TenonKernelDesc))
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: TenonKernelDesc of %u bytes", desc.size);
  if (!tenon_struct_ok(&desc, sizeof desc) || desc.flags != 0 || desc.reserved != 0)
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: unknown fields in a kernel");
  if (desc.program == nullptr)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: a kernel without a program");
  auto made = std::make_unique<Kernel>();
  Kernel& k = *made;
  const Program* last = &k.program;  // whose outputs are the kernel's
  if (desc.n_reducers == 0) {
    if (desc.program->n_outputs == 0)
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: a program without outputs");
    if (const TenonStatus status = CompileProgram(*desc.program, nullptr, 0, &k.program, error);
        status != TENON_OK)
      return status;
    FindDirect(*desc.program, k.program, &k.direct);
    k.copies = k.program.steps.empty() && k.program.outputs.size() == 1 &&
               k.program.input_dtypes.size() == 1 &&
               k.program.values[k.program.outputs[0]].kind == Kind::kInput;
  } else {
    k.reduce = std::make_unique<ReducePlan>();
    if (const TenonStatus status = MakeReducePlan(desc, &k.program, k.reduce.get(), error);
        status != TENON_OK)
      return status;
    last = &k.reduce->epilogue;
    if (last->outputs.empty())
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: an epilogue without outputs");
  }
  const size_t n_inputs = k.program.input_dtypes.size();
  if (n_inputs + last->outputs.size() > kMaxOperands)
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: more than %u operands", kMaxOperands);
  std::copy(k.program.input_dtypes.begin(), k.program.input_dtypes.end(), k.dtypes);
  for (size_t o = 0; o < last->outputs.size(); ++o)
    k.dtypes[n_inputs + o] = last->values[last->outputs[o]].dtype;
  k.n_operands = static_cast<uint32_t>(n_inputs + last->outputs.size());
  k.n_scalars = std::max(k.program.n_scalars, last->n_scalars);
  const TenonInstr* instr = desc.program->instr;
  k.reads_index = std::any_of(instr, instr + desc.program->n_instr,
                              [](const TenonInstr& t) { return t.op == TENON_OP_INDEX; });
  *kernel = std::move(made);
  return TENON_OK;
}

TenonStatus LaunchKernel(const Kernel& kernel, const TenonLaunch& launch, TenonError* error) {
  if (kernel.direct.fn != nullptr && LaunchDirect(kernel, launch)) return TENON_OK;
  if (const TenonStatus status = CheckLaunch(kernel, launch, error); status != TENON_OK)
    return status;
  if (kernel.reduce != nullptr) return LaunchReduce(kernel, launch, error);
  LaunchMap(kernel, launch);
  return TENON_OK;
}

}  // namespace tenon_cpu
