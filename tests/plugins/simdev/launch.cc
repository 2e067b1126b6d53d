#include "tests/plugins/simdev/launch.h"

#include <string>
#include <utility>

#include "tenon/abi/tenon_kit_interpreter.h"
#include "tenon/abi/tenon_plugin.hpp"
#include "tests/plugins/simdev/checked.h"
#include "tests/plugins/simdev/footprint.h"

namespace simdev {
namespace {

using tenon::plugin::to_handle;

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

void LaunchList(Device& device, TenonStream stream, TenonKernel kernel, const TenonLaunch* launches,
                uint32_t n) {
  for (uint32_t i = 0; i < n; ++i) LaunchKernel(device, stream, kernel, &launches[i]);
}

}  // namespace simdev
