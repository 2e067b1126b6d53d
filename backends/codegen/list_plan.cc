#include "tenon/backends/codegen/list_plan.h"

#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_codegen {
namespace {

constexpr uint8_t kVector = 4;

bool IsFlat(const TenonLaunch& launch) {
  if (launch.rank > 1) return false;
  const bool single = launch.rank == 0 || launch.sizes[0] == 1;
  for (uint32_t k = 0; k < launch.n_operands; ++k) {
    if (!single && launch.operands[k].strides[0] != 1) return false;
  }
  return true;
}

uint64_t AddressOf(const TenonOperand& operand) { return operand.buffer + operand.offset; }

bool Vectors(const TenonLaunch& launch) {
  for (uint32_t k = 0; k < launch.n_operands; ++k) {
    // Of wider packs the compiler makes several accesses of 16 bytes.
    const uint64_t pack = uint64_t{kVector} * tenon_dtype_size(launch.operands[k].dtype);
    if (AddressOf(launch.operands[k]) % (pack < 16 ? pack : 16) != 0) return false;
  }
  return true;
}

// The same layout as EmitKernel's for kList.
class Packer {
 public:
  Packer(const KernelInfo& kernel, uint8_t vector) : kernel_(kernel), vector_(vector) {}

  void Add(const TenonLaunch& launch) {
    if (plans_.empty() || entries_ == ListCapacity(kernel_)) Begin();
    ListPlan& plan = plans_.back();
    const int64_t count = launch.rank == 0 ? 1 : launch.sizes[0];
    plan.words.push_back(static_cast<uint64_t>(plan.blocks));
    plan.words.push_back(static_cast<uint64_t>(count));
    for (uint32_t k = 0; k < launch.n_operands; ++k)
      plan.words.push_back(AddressOf(launch.operands[k]));
    plan.words.insert(plan.words.end(), launch.scalars, launch.scalars + kernel_.n_scalars);
    plan.words[1] = static_cast<uint64_t>(entries_++);
    plan.blocks += (count + kListBlock - 1) / kListBlock;
    plan.words[0] = static_cast<uint64_t>(plan.blocks);
  }

  // The kernel's argument has room for all entries.
  void MoveTo(std::vector<ListPlan>& all) {
    const auto entry = static_cast<int64_t>(2 + kernel_.operand_dtypes.size() + kernel_.n_scalars);
    for (ListPlan& plan : plans_) {
      plan.words.resize(static_cast<size_t>(2 + ListCapacity(kernel_) * entry));
      all.push_back(std::move(plan));
    }
  }

 private:
  void Begin() {
    plans_.emplace_back();
    ListPlan& plan = plans_.back();
    plan.variant.method = Method::kList;
    plan.variant.vector = vector_;
    plan.variant.packed = true;
    plan.words.reserve(4096 / 8);
    plan.words.assign(2, 0);
    entries_ = 0;
  }

  const KernelInfo& kernel_;
  const uint8_t vector_;
  int64_t entries_ = 0;
  std::vector<ListPlan> plans_;
};

}  // namespace

std::vector<ListPlan> PlanList(const KernelInfo& kernel, const TenonLaunch* launches, uint32_t n) {
  std::vector<ListPlan> all;
  if (kernel.reduces || kernel.uses_index) return all;
  Packer vectors(kernel, kVector), elements(kernel, 1);
  for (uint32_t i = 0; i < n; ++i) {
    if (!IsFlat(launches[i])) return all;
    (Vectors(launches[i]) ? vectors : elements).Add(launches[i]);
  }
  vectors.MoveTo(all);
  elements.MoveTo(all);
  return all;
}

}  // namespace tenon_codegen
