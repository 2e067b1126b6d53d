// Recording a program: write the formula with Values, get the instructions.
//
//   Builder b;
//   Value x = b.input(DType::float32), y = b.input(DType::float32);
//   Program p = b.finish({select(x < y, exp(x) * 0.5, fma(x, y, 1.0))});
//
// Equal subexpressions are recorded once, constants are folded, and nothing dead survives finish().
// A double next to a Value becomes a constant of the Value's dtype. Both operands of an operator
// must have one dtype; casts are explicit. A Value is a number in its builder: copy it freely, do
// not outlive the builder with it. Misuse (two builders, two dtypes, an opcode not defined for a
// dtype) throws Error: programs are written by developers of operations and by users of
// tenon::fuse. Not thread-safe: one builder, one thread.
#ifndef TENON_MAP_BUILDER_H_
#define TENON_MAP_BUILDER_H_

#include <initializer_list>
#include <span>
#include <vector>

#include "tenon/map/program.h"

namespace tenon::map {

class Builder;

class Value {
 public:
  Value() = default;
  Value(Builder* builder, ValueId id) : builder_(builder), id_(id) {}
  Builder& builder() const { return *builder_; }
  ValueId id() const { return id_; }
  DType dtype() const;
  bool defined() const { return builder_ != nullptr; }  // not operator bool: !v records a NOT
  friend bool same(Value a, Value b) { return a.builder_ == b.builder_ && a.id_ == b.id_; }

 private:
  Builder* builder_ = nullptr;
  ValueId id_ = kNoValue;
};

class Builder {
 public:
  // The next operand of the launch.
  Value input(DType dtype);
  // The next run-time slot.
  Value scalar(DType dtype);
  // `value` converted to dtype as the ABI's CAST does.
  Value constant(double value, DType dtype);
  Value constant_bits(uint64_t bits, DType dtype);
  // The logical row-major index of the element, int64.
  Value index();
  // Any opcode. `dtype` is the result's.
  Value emit(uint16_t opcode, DType dtype, Value a = {}, Value b = {}, Value c = {});

  // Tells the reverse sweep that d result / d operand is `slope`, better than the opcodes' rules
  // would.
  void add_slope(Value result, Value operand, Value slope);

  const TenonInstr& instr(Value v) const { return code_[v.id()]; }
  size_t size() const { return code_.size(); }
  size_t input_count() const { return inputs_.size(); }
  size_t scalar_count() const { return scalars_.size(); }

  // The canonical program; the builder can go on recording.
  Program finish(std::span<const Value> outputs) const;
  Program finish(std::initializer_list<Value> outputs) const {
    return finish(std::span<const Value>(outputs.begin(), outputs.size()));
  }

  // Records `program` again into this builder with the given values for its inputs and scalars,
  // side table included; returns the value of every instruction. `substitute[i]`, where set, stands
  // for instruction i.
  std::vector<Value> inline_program(const Program& program, std::span<const Value> inputs,
                                    std::span<const Value> scalars,
                                    std::span<const Value> substitute = {});

 private:
  friend class Value;
  Value append(const TenonInstr& instr);
  bool constant_of(Value v,
                   double* value) const;  // floats and integers that a double holds exactly

  std::vector<TenonInstr> code_;
  std::vector<DType> inputs_, scalars_;
  std::vector<Slope> slopes_;
};

inline DType Value::dtype() const { return static_cast<DType>(builder_->code_[id_].dtype); }

Value cast(Value x, DType dtype);
Value bitcast(Value x, DType dtype);
Value select(Value condition, Value a, Value b);
Value select(Value condition, Value a, double b);
Value select(Value condition, double a, Value b);
Value fma(Value a, Value b, Value c);
Value philox(Value counter, Value key);  // u64, u64 -> u32

// Unary functions of one opcode, by the ABI's name in lower case.
// clang-format off
#define TENON_MAP_UNARY(X)                                                                      \
  X(abs, ABS) X(floor, FLOOR) X(ceil, CEIL) X(trunc, TRUNC) X(rint, RINT) X(sqrt, SQRT)         \
  X(exp, EXP) X(log, LOG) X(sin, SIN) X(cos, COS) X(tanh, TANH) X(erf, ERF)                     \
  X(rsqrt, RSQRT) X(recip, RECIP) X(exp2, EXP2) X(expm1, EXPM1) X(log2, LOG2) X(log10, LOG10)   \
  X(log1p, LOG1P) X(tan, TAN) X(asin, ASIN) X(acos, ACOS) X(atan, ATAN) X(sinh, SINH)           \
  X(cosh, COSH) X(asinh, ASINH) X(acosh, ACOSH) X(atanh, ATANH) X(erfc, ERFC) X(erfinv, ERFINV) \
  X(lgamma, LGAMMA) X(digamma, DIGAMMA) X(sign, SIGN)
// clang-format on
#define TENON_MAP_DECLARE(name, op) Value name(Value x);
TENON_MAP_UNARY(TENON_MAP_DECLARE)
#undef TENON_MAP_DECLARE
Value operator-(Value x);
Value operator~(Value x);  // integers; of a bool: logical not
inline Value operator!(Value x) { return ~x; }

// Binary functions and operators: two Values, or a Value and a number. `result` is same or bool.
// clang-format off
#define TENON_MAP_BINARY(X)                                                                  \
  X(operator+, ADD) X(operator-, SUB) X(operator*, MUL) X(operator/, DIV) X(rem, REM)        \
  X(min, MIN) X(max, MAX) X(pow, POW) X(atan2, ATAN2) X(copysign, COPYSIGN)                  \
  X(operator&, AND) X(operator|, OR) X(operator^, XOR) X(operator<<, SHL) X(operator>>, SHR) \
  X(mulhi, MULHI) X(eq, EQ) X(ne, NE) X(operator<, LT) X(operator<=, LE)
// clang-format on
#define TENON_MAP_DECLARE(name, op) \
  Value name(Value a, Value b);     \
  Value name(Value a, double b);    \
  Value name(double a, Value b);
TENON_MAP_BINARY(TENON_MAP_DECLARE)
#undef TENON_MAP_DECLARE
inline Value operator>(Value a, Value b) { return b < a; }
inline Value operator>(Value a, double b) { return b < a; }
inline Value operator>(double a, Value b) { return b < a; }
inline Value operator>=(Value a, Value b) { return b <= a; }
inline Value operator>=(Value a, double b) { return b <= a; }
inline Value operator>=(double a, Value b) { return b <= a; }

}  // namespace tenon::map

#endif  // TENON_MAP_BUILDER_H_
