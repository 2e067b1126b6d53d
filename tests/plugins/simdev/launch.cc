#include "tests/plugins/simdev/launch.h"

#include <string>
#include <utility>

#include "tenon/abi/tenon_kit_interpreter.h"
#include "tenon/abi/tenon_plugin.hpp"
#include "tests/plugins/simdev/footprint.h"

namespace simdev {
namespace {

using tenon::plugin::Failure;
using tenon::plugin::to_handle;

// Runs `call` with an error to fill; throws what it answers.
template <class Call>
void Checked(Call&& call) {
  TenonError error = {};
  error.size = sizeof error;
  const TenonStatus status = call(&error);
  if (status != TENON_OK) throw Failure(status, std::string("simdev: ") + error.message);
}

template <class T>
T Read(const T* given, const char* name) {
  T own;
  Checked(
      [&](TenonError* error) { return tenon_read_struct(&own, sizeof own, given, name, error); });
  return own;
}

// As the result of an operation that ran.
template <class Call>
Fault Late(Call&& call) {
  TenonError error = {};
  error.size = sizeof error;
  const TenonStatus status = call(&error);
  return status == TENON_OK ? Fault() : Fault{status, std::string("simdev: ") + error.message};
}

Fault LateMistake(std::string message) { return {TENON_INTERNAL, "simdev: " + std::move(message)}; }

// A launch that owns its arrays and whose operands name host addresses.
struct OwnedLaunch {
  TenonLaunch launch;
  std::vector<TenonOperand> operands;
  std::vector<uint64_t> scalars;
  std::vector<Footprint> footprints;
  std::vector<std::shared_ptr<Region>> regions;
};

// What is wrong with the places that the operands name, "" if nothing.
std::string MisplacedOperands(const OwnedLaunch& owned, size_t n_inputs) {
  for (const Footprint& f : owned.footprints) {
    std::string problem = CheckBounds(f);
    if (!problem.empty()) return problem;
  }
  for (size_t i = n_inputs; i < owned.operands.size(); ++i) {
    for (uint32_t d = 0; d < owned.launch.rank; ++d) {
      const bool reduced = owned.launch.reduce_axes >> d & 1;
      if (!reduced && owned.launch.sizes[d] > 1 && owned.operands[i].strides[d] == 0) {
        return owned.footprints[i].name + " has stride 0 along axis " + std::to_string(d) +
               ", which is not reduced";
      }
    }
  }
  return CheckAliasing(owned.footprints, n_inputs, owned.launch.flags & TENON_LAUNCH_MAY_ALIAS);
}

}  // namespace

void LaunchKernel(Device& device, TenonStream stream_handle, TenonKernel kernel_handle,
                  const TenonLaunch* given) {
  const std::shared_ptr<Stream> stream = device.FindStream(stream_handle);
  const std::shared_ptr<Kernel> kernel = device.FindKernel(kernel_handle);
  auto owned = std::make_shared<OwnedLaunch>();
  TenonLaunch& launch = owned->launch;
  launch = Read(given, "TenonLaunch");
  Checked([&](TenonError* error) { return tenon_check_launch(kernel->copy, &launch, error); });
  owned->operands.assign(launch.operands, launch.operands + launch.n_operands);
  if (launch.n_scalars != 0)
    owned->scalars.assign(launch.scalars, launch.scalars + launch.n_scalars);
  launch.operands = owned->operands.data();
  launch.scalars = owned->scalars.data();
  const uint32_t n_inputs = kernel->copy->program.n_inputs;
  for (uint32_t i = 0; i < launch.n_operands; ++i) {
    TenonOperand& o = owned->operands[i];
    const std::string name =
        i < n_inputs ? "input " + std::to_string(i) : "output " + std::to_string(i - n_inputs);
    std::shared_ptr<Region> region = device.FindRegion(o.buffer, ("buffer (" + name + ")").c_str());
    owned->footprints.push_back(MakeFootprint(name, o.buffer, region->bytes(), o.offset, o.dtype,
                                              launch.rank, launch.sizes, o.strides));
    o.buffer = to_handle(region->address());
    owned->regions.push_back(std::move(region));
  }
  device.EnqueueLaunch(*stream, owned->regions, [kernel, owned, n_inputs] {
    const std::string problem = MisplacedOperands(*owned, n_inputs);
    if (!problem.empty()) return LateMistake(problem);
    if (kernel->destroyed)
      return LateMistake("a kernel was destroyed while a launch of it was in flight");
    return Late([&](TenonError* error) {
      return kernel->inner.backend->core->kernel_launch(kernel->inner.device, 0, kernel->handle,
                                                        &owned->launch, error);
    });
  });
}

namespace {

// The tensors of a typed call: their buffers become addresses, their places are remembered for the
// late checks.
struct Places {
  std::vector<Footprint> footprints;  // those that are read, then those that are written
  size_t n_read = 0;
  std::vector<std::shared_ptr<Region>> regions;
};

void Place(Device& device, const char* name, TenonTensor& t, Places& places) {
  if (t.rank > TENON_ABI_MAX_RANK)
    throw Failure(TENON_INVALID_ARGUMENT, std::string("simdev: rank of ") + name);
  std::shared_ptr<Region> region =
      device.FindRegion(t.buffer, (std::string("buffer (") + name + ")").c_str());
  places.footprints.push_back(MakeFootprint(name, t.buffer, region->bytes(), t.offset, t.dtype,
                                            t.rank, t.sizes, t.strides));
  t.buffer = to_handle(region->address());
  places.regions.push_back(std::move(region));
}

void PlaceBytes(Device& device, const char* name, TenonBuffer& buffer, uint64_t offset,
                uint64_t bytes, Places& places) {
  std::shared_ptr<Region> region =
      device.FindRegion(buffer, (std::string("buffer (") + name + ")").c_str());
  const auto size = static_cast<int64_t>(bytes);
  const int64_t stride = 1;
  places.footprints.push_back(
      MakeFootprint(name, buffer, region->bytes(), offset, TENON_U8, 1, &size, &stride));
  buffer = to_handle(region->address());
  places.regions.push_back(std::move(region));
}

std::string Misplaced(const Places& places) {
  for (const Footprint& f : places.footprints) {
    std::string problem = CheckBounds(f);
    if (!problem.empty()) return problem;
  }
  return CheckAliasing(places.footprints, places.n_read, false);
}

// Asks the backend inside with a dry run, so that a refusal comes before anything is enqueued, and
// enqueues.
template <class Args>
void CallTyped(Device& device, TenonStream stream_handle, const Args& args, Places places,
               TenonCall* given_call,
               TenonStatus (*entry)(TenonDevice, TenonStream, const Args*, TenonCall*,
                                    TenonError*) noexcept) {
  const std::shared_ptr<Stream> stream = device.FindStream(stream_handle);
  const TenonDevice inner_device = device.inner().device;
  TenonCall call = Read(given_call, "TenonCall");
  TenonCall dry = call;
  dry.flags |= TENON_CALL_DRY_RUN;
  dry.workspace = 0;
  Checked([&](TenonError* error) { return entry(inner_device, 0, &args, &dry, error); });
  if (call.flags & TENON_CALL_DRY_RUN) {
    given_call->workspace_bytes = dry.workspace_bytes;
    return;
  }
  if (dry.workspace_bytes != 0) {
    if (call.workspace_bytes < dry.workspace_bytes) {
      throw Failure(TENON_INVALID_ARGUMENT,
                    "simdev: a workspace of " + std::to_string(call.workspace_bytes) + " bytes, " +
                        std::to_string(dry.workspace_bytes) + " are needed");
    }
    PlaceBytes(device, "workspace", call.workspace, call.workspace_offset, call.workspace_bytes,
               places);
  }
  auto owned = std::make_shared<std::pair<Args, Places>>(args, std::move(places));
  device.EnqueueLaunch(
      *stream, owned->second.regions, [entry, inner_device, owned, call]() mutable {
        const std::string problem = Misplaced(owned->second);
        if (!problem.empty()) return LateMistake(problem);
        return Late(
            [&](TenonError* error) { return entry(inner_device, 0, &owned->first, &call, error); });
      });
}

const TenonTensorOps& InnerTensorOps(const Device& device) {
  static const TenonTensorOps none = {sizeof none, 0, nullptr, nullptr, nullptr};
  const TenonTensorOps* ops = device.inner().backend->tensor;
  return ops != nullptr && ops->size >= sizeof *ops ? *ops : none;
}

void CallIndexed(Device& device, TenonStream stream, const TenonIndexArgs* given, TenonCall* call,
                 bool scatter) {
  const auto entry = scatter ? InnerTensorOps(device).scatter : InnerTensorOps(device).gather;
  if (entry == nullptr)
    throw Failure(TENON_UNSUPPORTED, "simdev: the backend inside has no gather or scatter");
  TenonIndexArgs args = Read(given, "TenonIndexArgs");
  Places places;
  Place(device, "src", args.src, places);
  Place(device, "index", args.index, places);
  places.n_read = places.footprints.size();
  Place(device, "dst", args.dst, places);
  PlaceBytes(device, "out_of_range", args.out_of_range, args.out_of_range_offset, 8, places);
  CallTyped(device, stream, args, std::move(places), call, entry);
}

}  // namespace

void Matmul(Device& device, TenonStream stream, const TenonMatmulArgs* given, TenonCall* call) {
  const auto entry = InnerTensorOps(device).matmul;
  if (entry == nullptr)
    throw Failure(TENON_UNSUPPORTED, "simdev: the backend inside has no matmul");
  TenonMatmulArgs args = Read(given, "TenonMatmulArgs");
  Places places;
  Place(device, "a", args.a, places);
  Place(device, "b", args.b, places);
  if (args.bias.buffer != 0) Place(device, "bias", args.bias, places);
  places.n_read = places.footprints.size();
  Place(device, "c", args.c, places);
  CallTyped(device, stream, args, std::move(places), call, entry);
}

void Gather(Device& device, TenonStream stream, const TenonIndexArgs* args, TenonCall* call) {
  CallIndexed(device, stream, args, call, false);
}

void Scatter(Device& device, TenonStream stream, const TenonIndexArgs* args, TenonCall* call) {
  CallIndexed(device, stream, args, call, true);
}

}  // namespace simdev
