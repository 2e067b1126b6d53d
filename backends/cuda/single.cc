#include "backends/cuda/single.h"

#include <algorithm>
#include <bit>

#include "backends/cuda/built_in.h"
#include "backends/cuda/single_launch.h"
#include "backends/cuda/single_name.h"

namespace tenon_cuda {
namespace {

using tenon::plugin::Failure;

constexpr unsigned kThreads = 256;
constexpr int64_t kMostStrided = (int64_t{1} << 31) - 1;

// A kernel and what it is launched on. operands[n - 1] is the output.
struct Call {
  CUfunction flat = nullptr, strided = nullptr;
  const std::string* name = nullptr;
  uint32_t widest = 1;
  uint32_t n = 0;
  struct Operand {
    CUdeviceptr address = 0;  // 0: `bits`
    uint64_t bits = 0;
    const int64_t* strides = nullptr;  // NULL: all 0
    uint32_t item = 1;
  } operands[4];
};

// The axes of a launch that are left when those of size 1 are dropped and those are joined that lie
// densely behind one another in every operand.
struct Axes {
  uint32_t rank = 0;
  int64_t sizes[TENON_ABI_MAX_RANK];
  int64_t strides[4][TENON_ABI_MAX_RANK];

  Axes(const Call& call, uint32_t given, const int64_t* given_sizes) {
    for (uint32_t d = 0; d < given; ++d) {
      if (given_sizes[d] == 1) continue;
      bool joins = rank != 0;
      for (uint32_t k = 0; joins && k < call.n; ++k)
        joins = strides[k][rank - 1] == Stride(call, k, d) * given_sizes[d];
      if (!joins) sizes[rank++] = 1;
      sizes[rank - 1] *= given_sizes[d];
      for (uint32_t k = 0; k < call.n; ++k) strides[k][rank - 1] = Stride(call, k, d);
    }
  }
  static int64_t Stride(const Call& call, uint32_t k, uint32_t d) {
    const int64_t* const strides = call.operands[k].strides;
    return strides != nullptr ? strides[d] : 0;
  }
  int64_t count() const {
    int64_t product = 1;
    for (uint32_t d = 0; d < rank; ++d) product *= sizes[d];
    return product;
  }
};

SingleAxis Divider(int64_t size) {
  const auto divisor = static_cast<uint64_t>(size);
  const auto shift = static_cast<unsigned>(std::bit_width(divisor - 1));
  const uint64_t magic = ((uint64_t{1} << 32) * ((uint64_t{1} << shift) - divisor)) / divisor + 1;
  return {static_cast<unsigned>(divisor), static_cast<unsigned>(magic), shift};
}

void Enqueue(Device& device, Stream& stream, const Call& call, CUfunction function, int width,
             SingleLaunch& launch) {
  const int64_t threads = (launch.count + width - 1) / width;
  const int64_t blocks = std::min<int64_t>((threads + kThreads - 1) / kThreads,
                                           int64_t{32} * std::max(device.processors(), 1));
  void* arguments[] = {&launch};
  device.Launch(stream, function, *call.name, static_cast<unsigned>(blocks), kThreads, arguments);
}

bool IsFlat(const Call& call, const Axes& axes) {
  if (call.flat == nullptr || axes.rank > 1) return false;
  for (uint32_t k = 0; axes.rank == 1 && k < call.n; ++k) {
    if (call.operands[k].address != 0 && axes.strides[k][0] != 1) return false;
  }
  return true;
}

// Splits what the kernel's 32-bit positions cannot count.
void EnqueueStrided(Device& device, Stream& stream, const Call& call, const Axes& axes,
                    SingleLaunch& launch) {
  const int64_t count = axes.count();
  if (count > kMostStrided) {
    // Halves of the largest axis.
    uint32_t d = 0;
    for (uint32_t e = 1; e < axes.rank; ++e) {
      if (axes.sizes[e] > axes.sizes[d]) d = e;
    }
    Axes half = axes;
    half.sizes[d] = axes.sizes[d] / 2;
    SingleLaunch first = launch;
    EnqueueStrided(device, stream, call, half, first);
    half.sizes[d] = axes.sizes[d] - half.sizes[d];
    for (uint32_t k = 0; k < call.n; ++k) {
      const int64_t moved = axes.strides[k][d] * (axes.sizes[d] / 2);
      if (launch.operands[k].address != 0) {
        launch.operands[k].address += static_cast<uint64_t>(moved * call.operands[k].item);
      } else if (call.operands[k].strides != nullptr) {  // INDEX
        launch.operands[k].bits += static_cast<uint64_t>(moved);
      }
    }
    EnqueueStrided(device, stream, call, half, launch);
    return;
  }
  launch.count = count;
  launch.rank = axes.rank;
  for (uint32_t d = 0; d < axes.rank; ++d) {
    launch.axes[d] = Divider(axes.sizes[d]);
    for (uint32_t k = 0; k < call.n; ++k) launch.operands[k].strides[d] = axes.strides[k][d];
  }
  Enqueue(device, stream, call, call.strided, 1, launch);
}

void Run(Device& device, Stream& stream, const Call& call, uint32_t rank, const int64_t* sizes) {
  const Axes axes(call, rank, sizes);
  SingleLaunch launch;  // filled as far as it is read
  launch.count = axes.count();
  launch.rank = 0;
  for (uint32_t k = 0; k < call.n; ++k) {
    launch.operands[k].address = call.operands[k].address;
    launch.operands[k].bits = call.operands[k].bits;
  }
  if (!IsFlat(call, axes)) {
    EnqueueStrided(device, stream, call, axes, launch);
    return;
  }
  const int width = SingleWidth(call.widest);
  uint64_t misaligned = 0;
  for (uint32_t k = 0; k < call.n; ++k) {
    const uint64_t step = static_cast<uint64_t>(width) * call.operands[k].item;
    misaligned |= call.operands[k].address & (step - 1);
  }
  launch.vectors = misaligned == 0;
  Enqueue(device, stream, call, call.flat, width, launch);
}

class SingleKernel : public Kernel {
 public:
  SingleKernel(SingleProgram program, CUfunction flat, CUfunction strided)
      : program_(std::move(program)),
        name_(Interned(program_.name)),
        flat_(flat),
        strided_(strided) {}

  void Launch(Device& device, Stream& stream, const TenonLaunch& launch) const override {
    Call call;
    call.flat = flat_;
    call.strided = strided_;
    call.name = &name_;
    call.widest = program_.widest;
    if (program_.is_index) {
      call.operands[call.n++] = {0, static_cast<uint64_t>(launch.index_base), launch.index_strides,
                                 8};
    }
    for (uint32_t k = 0; k < program_.n_sources; ++k) {
      const SingleSource& source = program_.sources[k];
      if (source.kind == SingleSource::kInput) {
        Add(call, launch.operands[source.number]);
      } else {
        const uint64_t bits =
            source.kind == SingleSource::kConst ? source.bits : launch.scalars[source.number];
        call.operands[call.n++] = {0, bits, nullptr, 1};
      }
    }
    Add(call, launch.operands[launch.n_operands - 1]);
    Run(device, stream, call, launch.rank, launch.sizes);
  }

 private:
  static void Add(Call& call, const TenonOperand& operand) {
    call.operands[call.n++] = {static_cast<CUdeviceptr>(operand.buffer + operand.offset), 0,
                               operand.strides, tenon_dtype_size(operand.dtype)};
  }

  const SingleProgram program_;
  const std::string& name_;
  const CUfunction flat_, strided_;
};

}  // namespace

std::unique_ptr<Kernel> CreateSingle(Device& device, const TenonKernelDesc& desc) {
  std::optional<SingleProgram> program = MatchSingle(desc);
  if (!program) return nullptr;
  BuiltIn& built_in = device.built_in();
  const CUfunction strided = built_in.Find(program->name + "_strided");
  const CUfunction flat = program->is_index ? nullptr : built_in.Find(program->name + "_flat");
  if (strided == nullptr || (flat == nullptr && !program->is_index)) return nullptr;
  return std::make_unique<SingleKernel>(std::move(*program), flat, strided);
}

void CopyStrided(Device& device, Stream& stream, uint32_t item, uint32_t rank, const int64_t* sizes,
                 Strided to, Strided from) {
  if (item == 16) {  // two halves
    int64_t doubled[2][TENON_ABI_MAX_RANK];
    for (uint32_t d = 0; d < rank; ++d) {
      doubled[0][d] = 2 * to.strides[d];
      doubled[1][d] = 2 * from.strides[d];
    }
    for (const uint64_t half : {0, 8}) {
      CopyStrided(device, stream, 8, rank, sizes, {to.address + half, doubled[0]},
                  {from.address + half, doubled[1]});
    }
    return;
  }
  Call call;
  call.name = &Interned(CopyName(item));
  call.flat = device.built_in().Find(*call.name + "_flat");
  call.strided = device.built_in().Find(*call.name + "_strided");
  if (call.strided == nullptr) throw Failure(TENON_UNSUPPORTED, "cuda: no kernel " + *call.name);
  call.widest = item;
  call.n = 2;
  call.operands[0] = {from.address, 0, from.strides, item};
  call.operands[1] = {to.address, 0, to.strides, item};
  Run(device, stream, call, rank, sizes);
}

}  // namespace tenon_cuda
