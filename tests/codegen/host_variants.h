// The ways in which the host runs a case: as a GPU would, as a CPU would, and once with what only
// large launches need.
#ifndef TENON_TESTS_CODEGEN_HOST_VARIANTS_H_
#define TENON_TESTS_CODEGEN_HOST_VARIANTS_H_

#include <vector>

#include "tenon/backends/codegen/launch_plan.h"
#include "tests/codegen/samples.h"

struct HostVariant {
  tenon_codegen::Target target;
  tenon_codegen::LaunchPlan plan;

  std::vector<tenon_codegen::Variant> kernels() const {
    if (plan.parts == 1) return {plan.variant};
    return {plan.variant, plan.merge()};
  }
};

inline std::vector<HostVariant> HostVariants(const tenon_codegen::KernelInfo& info,
                                             const TenonLaunch& launch) {
  const tenon_codegen::Target gpu;
  tenon_codegen::Target cpu;
  cpu.vector = 1;
  cpu.runs = true;
  std::vector<HostVariant> variants = {{gpu, PlanLaunch(info, gpu, launch)}};
  // Where the texts of both have the same name, one of them is enough.
  const tenon_codegen::LaunchPlan runs = PlanLaunch(info, cpu, launch);
  if (runs.variant != variants[0].plan.variant) variants.push_back({cpu, runs});
  if (launch.rank == 3) {
    variants.push_back(variants[0]);
    variants.back().plan.variant.wide = true;
    variants.back().plan.variant.in_memory = true;
  }
  return variants;
}

// Of the list variants both, for some of the maps.
inline std::vector<tenon_codegen::Variant> ListVariants() {
  std::vector<tenon_codegen::Variant> variants(2);
  for (tenon_codegen::Variant& v : variants) {
    v.method = tenon_codegen::Method::kList;
    v.packed = true;
  }
  variants[1].vector = 4;
  return variants;
}
inline std::vector<Sample> ListSamples() {
  std::vector<Sample> some;
  size_t number = 0;
  for (Sample& sample : MakeSamples()) {
    const bool map = sample.epilogue == nullptr;
    if (!map || tenon_codegen::Describe(sample.text->desc).uses_index) continue;
    if (number++ % 2 == 0) some.push_back(std::move(sample));
  }
  return some;
}

#endif  // TENON_TESTS_CODEGEN_HOST_VARIANTS_H_
