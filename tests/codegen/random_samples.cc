#include "tests/codegen/random_samples.h"

#include <random>
#include <utility>

#include "tenon/abi/tenon_kit_evaluate.h"
#include "tenon/abi/tenon_kit_program.h"

bool IsExact(uint32_t op, uint32_t dtype) {
  if (!tenon_dtype_is_float(dtype)) return true;
  switch (op) {
    case TENON_OP_EXP:
    case TENON_OP_LOG:
    case TENON_OP_SIN:
    case TENON_OP_COS:
    case TENON_OP_TANH:
    case TENON_OP_ERF:
    case TENON_OP_POW:
    case TENON_OP_RSQRT:
      return false;
    default:
      return op < TENON_OP_EXP2 || op >= TENON_OP_COPYSIGN;
  }
}

bool HasNoOperands(uint32_t op) { return tenon_opcode_operands(op) == 0; }

uint16_t ResultDtype(uint32_t op, uint32_t dtype) {
  switch (op) {
    case TENON_OP_EQ:
    case TENON_OP_NE:
    case TENON_OP_LT:
    case TENON_OP_LE:
      return TENON_BOOL;
    case TENON_OP_PHILOX:
      return TENON_U32;
    default:
      return static_cast<uint16_t>(dtype);
  }
}

namespace {

struct Value {
  ProgramBuilder::Value number;
  uint16_t dtype;
  bool close = false;  // depends on the order of a sum: not the same bits on every device
};

class Random {
 public:
  explicit Random(unsigned seed) : random_(seed) {}
  uint32_t Below(size_t n) { return static_cast<uint32_t>(random_() % n); }
  uint16_t Dtype() { return static_cast<uint16_t>(TENON_BOOL + Below(TENON_F64)); }
  uint16_t Float() { return static_cast<uint16_t>(TENON_F16 + Below(4)); }
  uint16_t Integer() { return static_cast<uint16_t>(TENON_BOOL + 1 + Below(8)); }
  template <class T>
  const T& Of(const std::vector<T>& all) {
    return all[Below(all.size())];
  }

 private:
  std::minstd_rand random_;  // the same numbers everywhere
};

// Writes random instructions behind what a program has.
class Writer {
 public:
  Writer(Random& random, ProgramBuilder& p) : random_(random), p_(p) {}

  void Keep(ProgramBuilder::Value number, uint16_t dtype, bool close = false) {
    values_.push_back({number, dtype, close});
  }
  void Inputs(uint32_t count) {
    while (count-- > 0) {
      const uint16_t dtype = random_.Dtype();
      Keep(p_.Input(dtype), dtype);
    }
  }
  void ScalarsAndIndex() {
    for (uint32_t i = 0, n = random_.Below(3); i < n; ++i) {
      const uint16_t dtype = random_.Dtype();
      Keep(p_.Scalar(dtype), dtype);
    }
    if (random_.Below(3) == 0) Keep(p_.Op(TENON_OP_INDEX, TENON_I64), TENON_I64);
  }
  void Steps(uint32_t count) {
    while (count-- > 0) Step();
  }
  const std::vector<Value>& values() const { return values_; }
  const Value& Any() { return random_.Of(values_); }

 private:
  ProgramBuilder::Value Like(uint16_t dtype, ProgramBuilder::Value otherwise) {
    for (int tries = 0; tries < 8; ++tries) {
      const Value& v = Any();
      if (v.dtype == dtype && !v.close) return v.number;
    }
    return otherwise;
  }

  void Step() {
    const auto [a, dtype, close] = Any();
    const auto op = static_cast<uint16_t>(1 + random_.Below(TENON_OPCODE_COUNT - 1));
    if (close) {  // nothing that makes a small difference a large one
      const uint16_t gentle = random_.Below(2) != 0 ? TENON_OP_NEG : TENON_OP_ABS;
      return Keep(p_.Op(gentle, dtype, a), dtype, true);
    }
    // Signs and payloads of NaNs are nobody's promise: nothing here may look at them.
    if (HasNoOperands(op) || !tenon_opcode_defined(op, dtype) || !IsExact(op, dtype) ||
        op == TENON_OP_BITCAST || op == TENON_OP_COPYSIGN) {
      return;
    }
    if (op == TENON_OP_CAST) {
      const uint16_t to = random_.Dtype();
      return Keep(p_.Op(op, to, a), to);
    }
    const ProgramBuilder::Value b = Like(dtype, a), c = Like(dtype, b);
    if (op == TENON_OP_SELECT) {
      const auto condition = p_.Op(TENON_OP_NE, TENON_BOOL, a, b);
      Keep(condition, TENON_BOOL);
      return Keep(p_.Op(op, dtype, condition, b, c), dtype);
    }
    const uint16_t result = ResultDtype(op, dtype);
    Keep(p_.Op(op, result, a, b, c), result);
  }

  Random& random_;
  ProgramBuilder& p_;
  std::vector<Value> values_;
};

// Chooses reducers for values of a prologue.
class ReducerWriter {
 public:
  ReducerWriter(Random& random, ProgramBuilder& p, Writer& values)
      : random_(random), p_(p), values_(values) {}

  TenonReducer Make() {
    const auto kind = static_cast<uint16_t>(TENON_SUM + random_.Below(TENON_MOMENTS));
    const Value v = values_.Any();
    switch (kind) {
      case TENON_SUM:
      case TENON_PROD:
        if (random_.Below(2) == 0) return {kind, random_.Integer(), v.number, 0, 0};
        return {kind, random_.Float(), Bounded(v, kind == TENON_PROD ? 1.0f : 2.0f), 0, 0};
      case TENON_MOMENTS:
        return {kind, random_.Float(), Bounded(v, 2.0f), 0, 0};
      case TENON_MIN:
      case TENON_MAX:
        return {kind, v.dtype, OneZero(v), 0, 0};
      case TENON_ANY:
      case TENON_ALL:
        return {kind, TENON_BOOL, v.number, 0, 0};
      default:  // the keys are all different, or nobody could say which of equal ones is meant
        return {kind, TENON_I64, v.number, p_.Op(TENON_OP_INDEX, TENON_I64), 0};
    }
  }

 private:
  ProgramBuilder::Value Constant(uint16_t dtype, double x) {
    return p_.Const(dtype, tenon_double_to_bits(dtype, x));
  }
  // As an f32 of [-bound, bound], so that the order of a sum matters to the last places only.
  ProgramBuilder::Value Bounded(const Value& v, float bound) {
    auto x = v.dtype == TENON_F32 ? v.number : p_.Op(TENON_OP_CAST, TENON_F32, v.number);
    const auto number = p_.Op(TENON_OP_EQ, TENON_BOOL, x, x);
    x = p_.Op(TENON_OP_SELECT, TENON_F32, number, x, Constant(TENON_F32, 0.5));
    x = p_.Op(TENON_OP_MIN, TENON_F32, x, Constant(TENON_F32, static_cast<double>(bound)));
    return p_.Op(TENON_OP_MAX, TENON_F32, x, Constant(TENON_F32, -static_cast<double>(bound)));
  }
  // The sign of the zero that MIN and MAX choose is free: there shall be only one.
  ProgramBuilder::Value OneZero(const Value& v) {
    if (!tenon_dtype_is_float(v.dtype)) return v.number;
    return p_.Op(TENON_OP_ADD, v.dtype, v.number, Constant(v.dtype, 0));
  }

  Random& random_;
  ProgramBuilder& p_;
  Writer& values_;
};

}  // namespace

Sample RandomMap(unsigned seed) {
  Random random(seed);
  Sample s;
  s.program = std::make_unique<ProgramBuilder>();
  Writer w(random, *s.program);
  w.Inputs(1 + random.Below(3));
  w.ScalarsAndIndex();
  w.Steps(4 + random.Below(24));
  s.program->Output(w.values().back().number);
  for (uint32_t i = 0, n = random.Below(4); i < n; ++i) s.program->Output(w.Any().number);
  s.name = "random" + std::to_string(seed);
  s.text = std::make_unique<KernelText>(*s.program);
  return s;
}

Sample RandomReduction(unsigned seed) {
  Random random(seed);
  Sample s;
  s.program = std::make_unique<ProgramBuilder>();
  Writer prologue(random, *s.program);
  prologue.Inputs(1 + random.Below(3));
  prologue.ScalarsAndIndex();
  prologue.Steps(random.Below(12));
  ReducerWriter reducer(random, *s.program, prologue);
  std::vector<TenonReducer> reducers;
  for (uint32_t i = 0, n = 1 + random.Below(4); i < n; ++i) reducers.push_back(reducer.Make());

  s.epilogue = std::make_unique<ProgramBuilder>();
  Writer epilogue(random, *s.epilogue);
  for (const TenonReducer& r : reducers) {
    const bool sums = r.kind == TENON_SUM || r.kind == TENON_PROD || r.kind == TENON_MOMENTS;
    const bool close = sums && tenon_dtype_is_float(r.acc_dtype) != 0;
    s.exact = s.exact && !close;
    for (uint32_t k = 0; k < tenon_reducer_accumulators(&r); ++k)
      epilogue.Keep(s.epilogue->Input(r.acc_dtype), r.acc_dtype, close);
  }
  const std::vector<Value> accumulators = epilogue.values();
  epilogue.ScalarsAndIndex();
  epilogue.Steps(random.Below(12));
  for (const Value& v : accumulators) s.epilogue->Output(v.number);  // each is seen
  for (uint32_t i = 0, n = random.Below(4); i < n; ++i) s.epilogue->Output(epilogue.Any().number);
  s.name = "reduction" + std::to_string(seed);
  s.text = std::make_unique<KernelText>(*s.program, std::move(reducers), *s.epilogue);
  return s;
}
