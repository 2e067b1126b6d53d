#include "backends/cpu/runner.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/strided_copy.h"

namespace tenon_cpu {
namespace {

// Lines shorter than this are gathered together into one block instead of being visited one by one.
constexpr int64_t kShortLine = 16;

}  // namespace

Runner::Runner(const Program& program, const uint64_t* scalars)
    : program_(program), register_bytes_(program.block * program.register_item) {
  // Inputs and indices are set by Bind, results by Run.
  for (uint16_t v : program.fixed) {
    const Value& value = program.values[v];
    at_[v] = reinterpret_cast<const char*>(value.kind == Kind::kScalar ? &scalars[value.slot]
                                                                       : &value.bits);
    splat_[v] = 1;
  }
  for (const Step& step : program.uniform_steps) {
    step.fn(uniforms_[step.value], at_[step.a], at_[step.b], at_[step.c], 1, 0);
    at_[step.value] = uniforms_[step.value];
    splat_[step.value] = 1;
  }
  for (const Step& step : program.steps) direct_[step.value] = nullptr;
}

void Runner::Enter(const Space& space, const char* const* bases, int64_t index_base) {
  space_ = &space;
  bases_ = bases;
  index_base_ = index_base;
  lines_ = space.rank <= 1 || space.inner() >= kShortLine;
}

void Runner::EnterAcross(const Space& space, const char* const* bases, int64_t index_base) {
  Enter(space, bases, index_base);
  lines_ = space.rank <= 1;
}

void Runner::Spread(uint16_t value, int64_t n) {
  const Value& v = program_.values[value];
  char* reg = Register(value);
  CopyLine(reg, v.item, at_[value], 0, v.item, n);
  at_[value] = reg;
  splat_[value] = 0;
}

const char* Runner::Array(uint16_t value, int64_t n) {
  if (splat_[value] != 0) Spread(value, n);
  return at_[value];
}

void Runner::FillIndex(uint16_t value, int64_t position, int64_t n) {
  const Space& s = *space_;
  int64_t* reg = reinterpret_cast<int64_t*>(Register(value));
  const int64_t inner = s.inner();
  const int64_t stride = s.rank == 0 ? 0 : s.index_strides[s.rank - 1];
  for (int64_t done = 0; done < n;) {
    const int64_t line = std::min(n - done, inner - (position + done) % inner);
    const int64_t first = index_base_ + s.Index(position + done);
    program_.ramp(reg + done, first, stride, line);
    done += line;
  }
  at_[value] = reinterpret_cast<const char*>(reg);
  splat_[value] = 0;
}

int64_t Runner::Bind(int64_t position, int64_t most) {
  const Space& s = *space_;
  int64_t n = std::min(most, program_.block);
  if (lines_ && s.rank > 1) n = std::min(n, s.inner() - position % s.inner());
  for (uint16_t v : program_.inputs) {
    const Value& value = program_.values[v];
    const int k = value.slot;
    const int64_t stride = s.inner_stride(k);
    const char* const base = bases_[k];
    if (lines_ ? stride == value.item || n == 1 : s.IsDense(k, value.item)) {
      at_[v] = base + (s.rank <= 1 ? position * stride : s.Offset(k, position));
      splat_[v] = 0;
    } else if (lines_ ? stride == 0 : s.IsBroadcast(k)) {
      at_[v] = base + (s.rank <= 1 ? 0 : s.Offset(k, position));
      splat_[v] = 1;
      if (value.filled) Spread(v, n);
    } else {
      GatherBlock(Register(v), s, k, base, position, n, value.item);
      at_[v] = Register(v);
      splat_[v] = 0;
    }
  }
  for (uint16_t v : program_.indices) FillIndex(v, position, n);
  return n;
}

void Runner::BindArrays(char* const* arrays) {
  for (uint16_t v : program_.inputs) {
    at_[v] = arrays[program_.values[v].slot];
    splat_[v] = 0;
  }
}

void Runner::KeepInputs(int64_t n) {
  for (uint16_t v : program_.outputs) {
    const Value& value = program_.values[v];
    if (value.kind != Kind::kInput) continue;
    const char* const from = Array(v, n);
    char* const reg = Register(v);
    if (from != reg) std::memcpy(reg, from, static_cast<size_t>(n) * value.item);
    at_[v] = reg;
  }
}

void Runner::SpreadUniforms(int64_t n) {
  for (uint16_t v : program_.spread) Spread(v, n);
  spread_ = n;
}

void Runner::Run(int64_t n) {
  // What is uniform stays so: the first block, and longer ones after it, fill its registers, the
  // others find them.
  if (n > spread_) SpreadUniforms(n);
  for (const Step& step : program_.steps) {
    char* const to = direct_[step.value] != nullptr ? direct_[step.value] : Register(step.value);
    const uint32_t splat =
        step.heeds_splat ? splat_[step.a] * kSplatA + splat_[step.b] * kSplatB : 0u;
    step.fn(to, at_[step.a], at_[step.b], at_[step.c], n, splat);
    at_[step.value] = to;
    splat_[step.value] = 0;
  }
}

}  // namespace tenon_cpu
