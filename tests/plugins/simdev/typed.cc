#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/plugins/simdev/checked.h"
#include "tests/plugins/simdev/footprint.h"
#include "tests/plugins/simdev/launch.h"

namespace simdev {
namespace {

using tenon::plugin::Failure;
using tenon::plugin::to_handle;

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

// A group of the backend inside, all NULL if it has none.
template <class Ops>
const Ops& InnerOps(const Device& device, const Ops* TenonBackend::*group) {
  static const Ops none = {};
  const Ops* ops = device.inner().backend->*group;
  return ops != nullptr && ops->size >= sizeof *ops ? *ops : none;
}

const TenonTensorOps& InnerTensorOps(const Device& device) {
  return InnerOps(device, &TenonBackend::tensor);
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

// A tensor of a fused call's arguments.
template <class Args>
struct Field {
  const char* name;
  TenonTensor Args::*tensor;
};

template <class Args>
void CallFused(Device& device, TenonStream stream, const Args* given, TenonCall* call,
               TenonStatus (*TenonFusedOps::*entry)(TenonDevice, TenonStream, const Args*,
                                                    TenonCall*, TenonError*) noexcept,
               std::initializer_list<Field<Args>> read,
               std::initializer_list<Field<Args>> written) {
  const auto inner = InnerOps(device, &TenonBackend::fused).*entry;
  if (inner == nullptr)
    throw Failure(TENON_UNSUPPORTED, "simdev: the backend inside has no such entry");
  Args args = Read(given, "the arguments");
  Places places;
  for (const Field<Args>& f : read) {
    if ((args.*f.tensor).buffer != 0) Place(device, f.name, args.*f.tensor, places);
  }
  places.n_read = places.footprints.size();
  for (const Field<Args>& f : written) Place(device, f.name, args.*f.tensor, places);
  CallTyped(device, stream, args, std::move(places), call, inner);
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

void Softmax(Device& device, TenonStream stream, const TenonSoftmaxArgs* args, TenonCall* call) {
  using A = TenonSoftmaxArgs;
  CallFused<A>(device, stream, args, call, &TenonFusedOps::softmax, {{"x", &A::x}}, {{"y", &A::y}});
}

void SoftmaxBackward(Device& device, TenonStream stream, const TenonSoftmaxBackwardArgs* args,
                     TenonCall* call) {
  using A = TenonSoftmaxBackwardArgs;
  CallFused<A>(device, stream, args, call, &TenonFusedOps::softmax_backward,
               {{"y", &A::y}, {"g", &A::g}}, {{"dx", &A::dx}});
}

void CrossEntropy(Device& device, TenonStream stream, const TenonCrossEntropyArgs* args,
                  TenonCall* call) {
  using A = TenonCrossEntropyArgs;
  CallFused<A>(device, stream, args, call, &TenonFusedOps::cross_entropy,
               {{"x", &A::x}, {"target", &A::target}},
               {{"loss", &A::loss}, {"shift", &A::shift}, {"exp_sum", &A::exp_sum}});
}

void LayerNorm(Device& device, TenonStream stream, const TenonLayerNormArgs* args,
               TenonCall* call) {
  using A = TenonLayerNormArgs;
  CallFused<A>(device, stream, args, call, &TenonFusedOps::layer_norm,
               {{"x", &A::x}, {"weight", &A::weight}, {"bias", &A::bias}},
               {{"y", &A::y}, {"mean", &A::mean}, {"rstd", &A::rstd}});
}

void LayerNormBackward(Device& device, TenonStream stream, const TenonLayerNormBackwardArgs* args,
                       TenonCall* call) {
  using A = TenonLayerNormBackwardArgs;
  CallFused<A>(
      device, stream, args, call, &TenonFusedOps::layer_norm_backward,
      {{"x", &A::x}, {"weight", &A::weight}, {"mean", &A::mean}, {"rstd", &A::rstd}, {"g", &A::g}},
      {{"dx", &A::dx}});
}

}  // namespace simdev
