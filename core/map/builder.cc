#include "tenon/map/builder.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "tenon/base/error.h"

namespace tenon::map {
namespace {

// Which dtypes an opcode is defined for; the table of tenon_backend.h.
enum class Domain { kAnyStored, kAny, kNumber, kFloat, kInteger, kBits };  // kAny: not float8
Domain domain_of(uint16_t op) {
  switch (op) {
    case TENON_OP_CAST:
      return Domain::kAnyStored;
    case TENON_OP_INPUT:
    case TENON_OP_SCALAR:
    case TENON_OP_CONST:
    case TENON_OP_INDEX:
    case TENON_OP_BITCAST:
    case TENON_OP_MIN:
    case TENON_OP_MAX:
    case TENON_OP_EQ:
    case TENON_OP_NE:
    case TENON_OP_LT:
    case TENON_OP_LE:
    case TENON_OP_SELECT:
    case TENON_OP_PHILOX:
      return Domain::kAny;
    case TENON_OP_ADD:
    case TENON_OP_SUB:
    case TENON_OP_MUL:
    case TENON_OP_DIV:
    case TENON_OP_REM:
    case TENON_OP_NEG:
    case TENON_OP_ABS:
    case TENON_OP_POW:
    case TENON_OP_SIGN:
      return Domain::kNumber;
    case TENON_OP_AND:
    case TENON_OP_OR:
    case TENON_OP_XOR:
    case TENON_OP_NOT:
      return Domain::kBits;
    case TENON_OP_SHL:
    case TENON_OP_SHR:
    case TENON_OP_MULHI:
      return Domain::kInteger;
    default:
      return Domain::kFloat;
  }
}

bool defined_for(uint16_t op, DType d) {
  const DTypeKind kind = dtype_info(d).kind;
  const bool integer = kind == DTypeKind::Int || kind == DTypeKind::UInt;
  switch (domain_of(op)) {
    case Domain::kAnyStored:
      return true;
    case Domain::kAny:
      return kind != DTypeKind::Float8;
    case Domain::kNumber:
      return integer || kind == DTypeKind::Float;
    case Domain::kFloat:
      return kind == DTypeKind::Float;
    case Domain::kInteger:
      return integer;
    case Domain::kBits:
      return integer || kind == DTypeKind::Bool;
  }
  return false;
}

bool is_comparison(uint16_t op) {
  return op == TENON_OP_EQ || op == TENON_OP_NE || op == TENON_OP_LT || op == TENON_OP_LE;
}

bool is_commutative(uint16_t op) {
  switch (op) {
    case TENON_OP_ADD:
    case TENON_OP_MUL:
    case TENON_OP_AND:
    case TENON_OP_OR:
    case TENON_OP_XOR:
    case TENON_OP_EQ:
    case TENON_OP_NE:
      return true;
    default:
      return false;  // MIN and MAX: which NaN or zero comes out may depend on the order
  }
}

template <class T>
uint64_t bits_of(T value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

// The ABI's CAST from f64.
uint64_t convert(double value, DType dtype) {
  return visit_dtype(dtype, [&]<class T>() -> uint64_t {
    if constexpr (std::is_same_v<T, bool>) {
      return value != 0;
    } else if constexpr (std::is_integral_v<T>) {
      if (std::isnan(value)) return 0;
      constexpr double low = static_cast<double>(std::numeric_limits<T>::min());
      // 2^63 and 2^64 are exact; max() itself may not be.
      if (value <= low) return bits_of(std::numeric_limits<T>::min());
      if (value >= std::ldexp(1.0, std::numeric_limits<T>::digits))
        return bits_of(std::numeric_limits<T>::max());
      return bits_of(static_cast<T>(value));
    } else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
      return bits_of(static_cast<T>(value));
    } else if constexpr (NarrowFloat<T>) {
      return narrow_bits<T>(value);  // one rounding, as the ABI's CAST
    } else {
      fail(ErrorCode::kDType, "map", "programs do not compute in ", dtype_name(dtype));
    }
  });
}

}  // namespace

Value Builder::append(const TenonInstr& instr) {
  for (size_t i = 0; i < code_.size(); ++i) {
    if (std::memcmp(&code_[i], &instr, sizeof instr) == 0)
      return Value(this, static_cast<ValueId>(i));
  }
  if (code_.size() >= kMaxInstructions) {
    fail(ErrorCode::kUnsupported, "map", "a program has at most ", kMaxInstructions,
         " instructions; split the function");
  }
  code_.push_back(instr);
  return Value(this, static_cast<ValueId>(code_.size() - 1));
}

Value Builder::input(DType dtype) {
  TenonInstr i{};
  i.op = TENON_OP_INPUT;
  i.dtype = static_cast<uint16_t>(dtype);
  i.imm = inputs_.size();
  inputs_.push_back(dtype);
  return append(i);
}

Value Builder::scalar(DType dtype) {
  TenonInstr i{};
  i.op = TENON_OP_SCALAR;
  i.dtype = static_cast<uint16_t>(dtype);
  i.imm = scalars_.size();
  scalars_.push_back(dtype);
  return append(i);
}

Value Builder::constant(double value, DType dtype) {
  return constant_bits(convert(value, dtype), dtype);
}

Value Builder::constant_bits(uint64_t bits, DType dtype) {
  TenonInstr i{};
  i.op = TENON_OP_CONST;
  i.dtype = static_cast<uint16_t>(dtype);
  i.imm = bits;
  return append(i);
}

Value Builder::index() {
  TenonInstr i{};
  i.op = TENON_OP_INDEX;
  i.dtype = TENON_I64;
  return append(i);
}

bool Builder::constant_of(Value v, double* value) const {
  const TenonInstr& i = code_[v.id()];
  if (i.op != TENON_OP_CONST) return false;
  switch (i.dtype) {
    case TENON_F32: {
      float f;
      std::memcpy(&f, &i.imm, sizeof f);
      *value = f;
      return true;
    }
    case TENON_F64:
      std::memcpy(value, &i.imm, sizeof *value);
      return true;
    case TENON_I32: {
      int32_t n;
      std::memcpy(&n, &i.imm, sizeof n);
      *value = n;
      return true;
    }
    case TENON_BOOL:
      *value = i.imm != 0;
      return true;
    default:
      return false;
  }
}

Value Builder::emit(uint16_t op, DType dtype, Value a, Value b, Value c) {
  const int arity = opcode_arity(op);
  const Value operands[3] = {a, b, c};
  for (int k = 0; k < arity; ++k) {
    if (!operands[k].defined() || &operands[k].builder() != this) {
      fail(ErrorCode::kInvalidArgument, opcode_name(op), "operand ", k,
           " belongs to another recording");
    }
  }
  const DType operand = arity > 0 ? (op == TENON_OP_SELECT ? b : a).dtype() : dtype;
  const bool free_operands = op == TENON_OP_CAST || op == TENON_OP_BITCAST || op == TENON_OP_PHILOX;
  for (int k = op == TENON_OP_SELECT ? 1 : 0; k < arity && !free_operands; ++k) {
    if (operands[k].dtype() != operand) {
      fail(ErrorCode::kDType, opcode_name(op),
           "operands of a program's instruction have one dtype, not ", dtype_name(operand), " and ",
           dtype_name(operands[k].dtype()), "; cast one of them");
    }
  }
  if (op == TENON_OP_SELECT && a.dtype() != DType::bool_) {
    fail(ErrorCode::kDType, opcode_name(op), "the condition is ", dtype_name(a.dtype()),
         ", not bool; compare it with something");
  }
  if (op == TENON_OP_BITCAST && item_size(a.dtype()) != item_size(dtype)) {
    fail(ErrorCode::kDType, "bitcast", dtype_name(a.dtype()), " and ", dtype_name(dtype),
         " differ in size");
  }
  if (!defined_for(op, operand) || is_complex(operand) || is_complex(dtype)) {
    fail(ErrorCode::kDType, opcode_name(op), "is not defined for ",
         dtype_name(is_complex(dtype) ? dtype : operand), " in a program; cast it");
  }

  // Rewritings that are exact for every value, NaN and signed zero included.
  double x = 0, y = 0;
  const bool ca = arity >= 1 && constant_of(a, &x), cb = arity >= 2 && constant_of(b, &y);
  const bool wide = dtype == DType::float32 || dtype == DType::float64;
  switch (op) {
    case TENON_OP_CAST:
      if (a.dtype() == dtype) return a;
      if (ca && !is_float8(dtype)) return constant(x, dtype);  // programs have no float8 constant
      break;
    case TENON_OP_MUL:
      if (ca && x == 1) return b;
      if (cb && y == 1) return a;
      break;
    case TENON_OP_DIV:
      if (cb && y == 1) return a;
      break;
    case TENON_OP_SUB:
      if (cb && y == 0 && !std::signbit(y)) return a;
      break;
    case TENON_OP_NEG:
      if (instr(a).op == TENON_OP_NEG) return Value(this, instr(a).a);
      break;
    case TENON_OP_NOT:
      if (instr(a).op == TENON_OP_NOT) return Value(this, instr(a).a);
      break;
    case TENON_OP_AND:
    case TENON_OP_OR:
      if (same(a, b)) return a;
      break;
    case TENON_OP_SELECT:
      if (same(b, c)) return b;
      if (ca) return x != 0 ? b : c;
      break;
    default:
      break;
  }
  // In f32 a double result rounded once is the f32 result (2p + 2 <= 53 bits holds for + - * /).
  if (wide && ca && cb) {
    switch (op) {
      case TENON_OP_ADD:
        return constant(x + y, dtype);
      case TENON_OP_SUB:
        return constant(x - y, dtype);
      case TENON_OP_MUL:
        return constant(x * y, dtype);
      case TENON_OP_DIV:
        return constant(x / y, dtype);
      default:
        break;
    }
  }
  if (wide && ca && op == TENON_OP_NEG) return constant(-x, dtype);

  TenonInstr i{};
  i.op = op;
  i.dtype = static_cast<uint16_t>(dtype);
  if (arity > 0) i.a = a.id();
  if (arity > 1) i.b = b.id();
  if (arity > 2) i.c = c.id();
  if (is_commutative(op) && i.a > i.b) std::swap(i.a, i.b);
  return append(i);
}

void Builder::add_slope(Value result, Value operand, Value slope) {
  const Slope entry{result.id(), operand.id(), slope.id()};
  for (const Slope& s : slopes_) {
    if (s == entry) return;
  }
  slopes_.push_back(entry);
}

Program Builder::finish(std::span<const Value> outputs) const {
  std::vector<char> live(code_.size(), 0);
  std::vector<ValueId> todo;
  const auto mark = [&](ValueId id) {
    if (!live[id]) {
      live[id] = 1;
      todo.push_back(id);
    }
  };
  for (const Value& v : outputs) {
    if (!v.defined() || &v.builder() != this) {
      fail(ErrorCode::kInvalidArgument, "map",
           "an output of a program belongs to another recording");
    }
    mark(v.id());
  }
  while (!todo.empty()) {
    const ValueId id = todo.back();
    todo.pop_back();
    const TenonInstr& i = code_[id];
    const int arity = opcode_arity(i.op);
    if (arity > 0) mark(i.a);
    if (arity > 1) mark(i.b);
    if (arity > 2) mark(i.c);
    // A live value keeps what is known of its slope alive.
    for (const Slope& s : slopes_) {
      if (s.result == id) {
        mark(s.operand);
        mark(s.slope);
      }
    }
  }

  Program p;
  p.inputs = inputs_;
  p.scalars = scalars_;
  std::vector<ValueId> renamed(code_.size(), kNoValue);
  // Inputs and scalars first, by number; then the rest in the order of recording, which is
  // topological.
  for (int pass = 0; pass < 2; ++pass) {
    for (size_t id = 0; id < code_.size(); ++id) {
      const bool leaf = code_[id].op == TENON_OP_INPUT || code_[id].op == TENON_OP_SCALAR;
      if (!live[id] || leaf != (pass == 0)) continue;
      TenonInstr i = code_[id];
      const int arity = opcode_arity(i.op);
      if (arity > 0) i.a = renamed[i.a];
      if (arity > 1) i.b = renamed[i.b];
      if (arity > 2) i.c = renamed[i.c];
      if (is_commutative(i.op) && i.a > i.b) std::swap(i.a, i.b);
      renamed[id] = static_cast<ValueId>(p.code.size());
      p.code.push_back(i);
    }
  }
  for (const Value& v : outputs) p.outputs.push_back(renamed[v.id()]);
  for (const Slope& s : slopes_) {
    if (live[s.result])
      p.slopes.push_back({renamed[s.result], renamed[s.operand], renamed[s.slope]});
  }
  return p;
}

std::vector<Value> Builder::inline_program(const Program& program, std::span<const Value> inputs,
                                           std::span<const Value> scalars,
                                           std::span<const Value> substitute) {
  std::vector<Value> values(program.code.size());
  for (size_t id = 0; id < program.code.size(); ++id) {
    if (id < substitute.size() && substitute[id].defined()) {
      values[id] = substitute[id];
      continue;
    }
    const TenonInstr& i = program.code[id];
    const DType dtype = static_cast<DType>(i.dtype);
    switch (i.op) {
      case TENON_OP_INPUT:
        values[id] = inputs[i.imm];
        break;
      case TENON_OP_SCALAR:
        values[id] = scalars[i.imm];
        break;
      case TENON_OP_CONST:
        values[id] = constant_bits(i.imm, dtype);
        break;
      case TENON_OP_INDEX:
        values[id] = index();
        break;
      default: {
        const int arity = opcode_arity(i.op);
        values[id] = emit(i.op, dtype, values[i.a], arity > 1 ? values[i.b] : Value(),
                          arity > 2 ? values[i.c] : Value());
      }
    }
  }
  for (const Slope& s : program.slopes) {
    // Where the result was substituted it is a new independent value: its slope belongs to whoever
    // made it.
    if (s.result < substitute.size() && substitute[s.result].defined()) continue;
    add_slope(values[s.result], values[s.operand], values[s.slope]);
  }
  return values;
}

Value cast(Value x, DType dtype) { return x.builder().emit(TENON_OP_CAST, dtype, x); }
Value bitcast(Value x, DType dtype) {
  return x.dtype() == dtype ? x : x.builder().emit(TENON_OP_BITCAST, dtype, x);
}
Value select(Value condition, Value a, Value b) {
  return condition.builder().emit(TENON_OP_SELECT, a.dtype(), condition, a, b);
}
Value select(Value condition, Value a, double b) {
  return select(condition, a, condition.builder().constant(b, a.dtype()));
}
Value select(Value condition, double a, Value b) {
  return select(condition, condition.builder().constant(a, b.dtype()), b);
}
Value fma(Value a, Value b, Value c) { return a.builder().emit(TENON_OP_FMA, a.dtype(), a, b, c); }
Value philox(Value counter, Value key) {
  return counter.builder().emit(TENON_OP_PHILOX, DType::uint32, counter, key);
}

#define TENON_MAP_DEFINE(name, op) \
  Value name(Value x) { return x.builder().emit(TENON_OP_##op, x.dtype(), x); }
TENON_MAP_UNARY(TENON_MAP_DEFINE)
#undef TENON_MAP_DEFINE
Value operator-(Value x) { return x.builder().emit(TENON_OP_NEG, x.dtype(), x); }
Value operator~(Value x) { return x.builder().emit(TENON_OP_NOT, x.dtype(), x); }

#define TENON_MAP_DEFINE(name, op)                                                          \
  Value name(Value a, Value b) {                                                            \
    return a.builder().emit(TENON_OP_##op,                                                  \
                            is_comparison(TENON_OP_##op) ? DType::bool_ : a.dtype(), a, b); \
  }                                                                                         \
  Value name(Value a, double b) { return name(a, a.builder().constant(b, a.dtype())); }     \
  Value name(double a, Value b) { return name(b.builder().constant(a, b.dtype()), b); }
TENON_MAP_BINARY(TENON_MAP_DEFINE)
#undef TENON_MAP_DEFINE

}  // namespace tenon::map
