#include "tenon/device/plan.h"

#include <algorithm>
#include <cstring>

#include "tenon/device/fallback.h"
#include "tenon/device/mask.h"
#include "tenon/device/memory.h"
#include "tenon/device/memory_cache.h"
#include "tenon/device/plan_cache.h"
#include "tenon/map/decompose.h"

namespace tenon {
namespace {

// A reduction's reducers name values of its program. Rewriting renumbers values but keeps outputs,
// so the named values travel as outputs.
template <class Rewrite>
bool rewrite_program(const map::Kernel& kernel, map::Kernel* result, Rewrite&& rewrite) {
  *result = kernel;
  map::Program program = kernel.program;
  if (!kernel.is_reduction()) return rewrite(program, &result->program);
  program.outputs.clear();
  for (const TenonReducer& r : kernel.reducers) {
    program.outputs.push_back(r.value);
    if (r.kind == TENON_ARGMIN || r.kind == TENON_ARGMAX) program.outputs.push_back(r.key);
  }
  if (!rewrite(program, &result->program)) return false;
  size_t i = 0;
  for (TenonReducer& r : result->reducers) {
    r.value = static_cast<uint16_t>(result->program.outputs[i++]);
    if (r.kind == TENON_ARGMIN || r.kind == TENON_ARGMAX)
      r.key = static_cast<uint16_t>(result->program.outputs[i++]);
  }
  result->program.outputs.clear();
  return rewrite(kernel.epilogue, &result->epilogue);
}

map::Kernel without_slopes(const map::Kernel& kernel) {
  if (kernel.program.slopes.empty() && kernel.epilogue.slopes.empty()) return kernel;
  map::Kernel result;
  rewrite_program(kernel, &result, [](const map::Program& from, map::Program* to) {
    *to = map::without_slopes(from);
    return true;
  });
  return result;
}

bool has_all(const map::Program& program, const uint64_t available[4], const char** missing) {
  for (const TenonInstr& t : program.code) {
    if (!(available[t.op / 64] >> (t.op % 64) & 1)) {
      *missing = map::opcode_name(t.op);
      return false;
    }
  }
  return true;
}

struct OpcodeSet {
  uint64_t bits[4] = {};
};
OpcodeSet required_opcodes() {
  OpcodeSet set;
  for (uint16_t op = 1; op < TENON_OPCODE_COUNT; ++op) {
    if (map::opcode_required(op)) set.bits[op / 64] |= uint64_t{1} << (op % 64);
  }
  return set;
}

TenonProgram describe(const map::Program& p, size_t n_scalars) {
  TenonProgram d{};
  d.size = sizeof d;
  d.n_instr = static_cast<uint32_t>(p.code.size());
  d.n_inputs = static_cast<uint32_t>(p.inputs.size());
  d.n_outputs = static_cast<uint32_t>(p.outputs.size());
  d.n_scalars = static_cast<uint32_t>(n_scalars);
  d.instr = p.code.data();
  d.outputs = p.outputs.data();
  d.content_hash = map::content_hash(p);
  return d;
}

}  // namespace

PlanCache::PlanCache(DeviceState& device) : device_(device) {
  // The bits of required opcodes are implied: the device promised them by being a compute device.
  std::copy(std::begin(device.props.opcodes), std::end(device.props.opcodes), available_);
  for (int i = 0; i < 4; ++i) available_[i] |= required_opcodes().bits[i];
  masked_ = mask_opcodes(device.tables->name, available_);
}

// 0 if the device does not take it (with the reason); throws on any other failure.
TenonKernel PlanCache::create(const map::Kernel& kernel, std::string* reason) {
  const TenonProgram program = describe(kernel.program, kernel.program.scalars.size());
  const TenonProgram epilogue = describe(kernel.epilogue, kernel.epilogue.scalars.size());
  TenonKernelDesc desc{};
  desc.size = sizeof desc;
  desc.program = &program;
  if (kernel.is_reduction()) {
    desc.epilogue = &epilogue;
    desc.reducers = kernel.reducers.data();
    desc.n_reducers = static_cast<uint32_t>(kernel.reducers.size());
  }
  for (int attempt = 0;; ++attempt) {
    TenonKernel result = 0;
    TenonError error = new_error();
    TenonStatus status;
    {
      CallGuard guard(device_);
      status = device_.tables->core.kernel_create(device_.handle, &desc, &result, &error);
    }
    if (status == TENON_OK && result != 0) return result;
    if (status == TENON_OK || status == TENON_UNSUPPORTED) {
      error.message[sizeof error.message - 1] = 0;
      *reason = status == TENON_OK ? "the backend gave no kernel"
                : error.message[0] ? error.message
                                   : "UNSUPPORTED";
      return 0;
    }
    if (status != TENON_OUT_OF_MEMORY || attempt != 0)
      throw_status(device_, kernel.name, status, error);
    device_.memory->trim();
  }
}

std::shared_ptr<const Plan::Steps> PlanCache::split(const map::Kernel& kernel,
                                                    const map::Limits& limits,
                                                    std::string* reason) {
  map::Partition partition;
  try {
    partition = map::partition(kernel, limits);
  } catch (const Error& e) {  // several reducers, say, need more operands than that
    *reason = e.what();
    return nullptr;
  }
  auto steps = std::make_shared<Plan::Steps>();
  steps->temporaries = std::move(partition.temporaries);
  for (map::Part& part : partition.parts) {
    if (part.kernel.name.empty()) part.kernel.name = kernel.name;
    const TenonKernel made = create(part.kernel, reason);
    if (made == 0) {
      CallGuard guard(device_);
      for (const Plan::Steps::Part& p : steps->parts)
        device_.tables->core.kernel_destroy(device_.handle, p.kernel);
      return nullptr;
    }
    steps->parts.push_back({made, std::move(part)});
  }
  return steps;
}

// The kernel without the opcodes that are not available; false if one has no rewriting (`reason`
// says which).
bool PlanCache::rewrite(const map::Kernel& kernel, const uint64_t available[4], map::Kernel* result,
                        std::string* reason) {
  const char* missing = nullptr;
  if (has_all(kernel.program, available, &missing) &&
      has_all(kernel.epilogue, available, &missing)) {
    *result = kernel;
    return true;
  }
  const bool possible =
      rewrite_program(kernel, result, [&](const map::Program& from, map::Program* to) {
        return map::decompose(from, available, to);
      });
  if (!possible)
    *reason =
        concat_text("it lacks the opcode ", missing, masked_ ? " (or TENON_MASK hides it)" : "");
  return possible;
}

// One launch, or several; false if the device does not take them.
bool PlanCache::make_on_device(const map::Kernel& kernel, const map::Limits& limits, Plan* plan,
                               std::string* reason) {
  if (map::fits(kernel, limits)) return (plan->kernel = create(kernel, reason)) != 0;
  plan->steps = split(kernel, limits, reason);
  return plan->steps != nullptr;
}

// Tries, in this order: the kernel, with what opcodes the device says it lacks rewritten, split to
// its limits; the same without any optional opcode; in pieces of about one opcode, which is all
// that a device must take; the host.
void PlanCache::make(Plan* plan) {
  const map::Kernel& source = plan->source;
  std::string reason = "it stores data but computes nothing";
  if (device_.tables->core.kernel_create) {
    const map::Limits limits = {device_.props.max_operands, device_.props.max_instrs,
                                device_.props.max_scalars};
    uint64_t required[4];
    for (int i = 0; i < 4; ++i) required[i] = available_[i] & required_opcodes().bits[i];
    map::Kernel kernel, plain;
    if (rewrite(source, available_, &kernel, &reason)) {
      if (make_on_device(kernel, limits, plan, &reason)) return;
      std::string why_not;
      if (rewrite(kernel, required, &plain, &why_not)) {
        if (!(plain == kernel) && make_on_device(plain, limits, plan, &reason)) return;
        if ((plan->steps = split(plain, {4, 4, 1}, &reason))) return;
      }
    }
  }
  auto steps = std::make_shared<Plan::Steps>();
  steps->reason = reason;
  plan->steps = std::move(steps);
}

const Plan& PlanCache::find(const map::Kernel& kernel) {
  const map::Kernel source = without_slopes(kernel);
  const uint64_t hash = map::content_hash(source);
  Entry* entry = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto [begin, end] = entries_.equal_range(hash);
    for (auto at = begin; at != end && !entry; ++at) {
      if (at->second->plan.source == source) entry = at->second.get();
    }
    if (!entry) {
      auto fresh = std::make_unique<Entry>();
      fresh->plan.device = &device_;
      fresh->plan.source = source;
      fresh->plan.name = fresh->plan.source.name.c_str();
      entry = fresh.get();
      entries_.emplace(hash, std::move(fresh));
    }
  }
  if (!entry->making.done()) {
    check_usable(device_, entry->plan.name);
    entry->making.run([&] { make(&entry->plan); });
  }
  return entry->plan;
}

void PlanCache::destroy() noexcept {
  if (!device_.tables->core.kernel_destroy) return;
  CallGuard guard(device_);
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [hash, entry] : entries_) {
    if (entry->plan.kernel) device_.tables->core.kernel_destroy(device_.handle, entry->plan.kernel);
    if (!entry->plan.steps) continue;
    for (const auto& part : entry->plan.steps->parts) {
      device_.tables->core.kernel_destroy(device_.handle, part.kernel);
    }
  }
  entries_.clear();
}

const Plan& plan_for(DeviceState& device, const map::Kernel& kernel) {
  return device.plans->find(kernel);
}

// ---- running what is not one launch
// ------------------------------------------------------------------

namespace {

struct Temporaries {
  std::vector<Memory> memory;
  ~Temporaries() {
    for (const Memory& m : memory) release(m);  // in stream order
  }
};

// Row-major over the launch's sizes.
TenonOperand temporary_operand(const Memory& memory, DType dtype, const TenonLaunch& launch) {
  TenonOperand o{};
  o.buffer = memory.buffer;
  o.offset = memory.offset;
  o.dtype = static_cast<uint32_t>(dtype);
  int64_t stride = 1;
  for (uint32_t d = launch.rank; d-- > 0;) {
    o.strides[d] = stride;
    stride *= launch.sizes[d];
  }
  return o;
}

void run_parts(const Plan& plan, StreamState& stream, const TenonLaunch& launch) {
  const Plan::Steps& steps = *plan.steps;
  uint64_t elements = 1;
  for (uint32_t d = 0; d < launch.rank; ++d) elements *= static_cast<uint64_t>(launch.sizes[d]);
  Temporaries temporaries;
  for (DType dtype : steps.temporaries) {
    temporaries.memory.push_back(
        allocate(*plan.device, stream, elements * static_cast<uint64_t>(item_size(dtype))));
  }
  const size_t n_inputs = plan.source.input_count();
  std::vector<TenonOperand> operands;
  std::vector<uint64_t> scalars;
  for (const Plan::Steps::Part& step : steps.parts) {
    operands.clear();
    scalars.clear();
    const auto add = [&](const map::PartOperand& from, size_t first) {
      operands.push_back(from.temporary ? temporary_operand(temporaries.memory[from.index],
                                                            steps.temporaries[from.index], launch)
                                        : launch.operands[first + from.index]);
    };
    for (const map::PartOperand& from : step.part.inputs) add(from, 0);
    for (const map::PartOperand& to : step.part.outputs) add(to, n_inputs);
    for (uint32_t slot : step.part.scalars) scalars.push_back(launch.scalars[slot]);
    TenonLaunch part = launch;
    if (!step.part.kernel.is_reduction()) part.reduce_axes = 0;
    part.operands = operands.data();
    part.n_operands = static_cast<uint32_t>(operands.size());
    part.scalars = scalars.data();
    part.n_scalars = static_cast<uint32_t>(scalars.size());
    const TenonStatus status = enqueue(stream, plan.name, [&](TenonStream s, TenonError* error) {
      return plan.device->tables->core.kernel_launch(plan.device->handle, s, step.kernel, &part,
                                                     error);
    });
    // Earlier parts may have overwritten inputs already, so only this one moves to the host.
    if (status != TENON_OK)
      launch_on_host(stream, step.part.kernel, part, "this launch was answered UNSUPPORTED");
  }
}

}  // namespace

namespace detail {

void run_steps(const Plan& plan, StreamState& stream, const TenonLaunch& launch) {
  if (plan.kernel != 0) {
    launch_on_host(stream, plan.source, launch, "this launch was answered UNSUPPORTED");
  } else if (plan.steps->parts.empty()) {
    launch_on_host(stream, plan.source, launch, plan.steps->reason);
  } else {
    run_parts(plan, stream, launch);
  }
}

}  // namespace detail
}  // namespace tenon
