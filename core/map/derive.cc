#include "tenon/map/derive.h"

#include <numbers>

#include "tenon/base/error.h"
#include "tenon/map/builder.h"

namespace tenon::map {
namespace {

// One contribution to the gradient of a value: `value` where `guard` holds (or everywhere), else 0.
struct Term {
  Value guard, value;
};

// More guards than this on one value are folded into one unguarded sum, so that programs stay
// short.
constexpr size_t kMaxTerms = 4;

Value materialize(const Term& t) {
  return t.guard.defined() ? select(t.guard, t.value, 0.0) : t.value;
}

bool negates(Value a, Value b) {
  const TenonInstr &ia = a.builder().instr(a), &ib = b.builder().instr(b);
  return (ia.op == TENON_OP_NOT && ia.a == b.id()) || (ib.op == TENON_OP_NOT && ib.a == a.id());
}

class ReverseSweep {
 public:
  ReverseSweep(const Program& forward, uint64_t needed, bool from_outputs)
      : forward_(forward),
        needed_(needed),
        gradients_(forward.code.size()),
        active_(forward.code.size(), 0) {
    // Provisional numbering: the inputs, the outputs, then the gradients; compacted in finish().
    std::vector<Value> inputs, scalars, substitute;
    for (DType d : forward.inputs) inputs.push_back(builder_.input(d));
    for (size_t j = 0; j < forward.outputs.size(); ++j)
      outputs_.push_back(builder_.input(forward.output_dtype(j)));
    for (DType d : forward.scalars) scalars.push_back(builder_.scalar(d));
    if (from_outputs) {
      substitute.resize(forward.code.size());
      for (size_t j = 0; j < forward.outputs.size(); ++j) {
        const uint16_t op = forward.code[forward.outputs[j]].op;
        if (op != TENON_OP_INPUT && op != TENON_OP_SCALAR && op != TENON_OP_CONST) {
          substitute[forward.outputs[j]] = outputs_[j];
        }
      }
    }
    values_ = builder_.inline_program(forward, inputs, scalars, substitute);
    mark_active();
    for (uint32_t j = 0; j < forward.outputs.size(); ++j) {
      if (!is_floating(forward.output_dtype(j))) continue;
      differentiable_.push_back(j);
      add(static_cast<ValueId>(forward.outputs[j]), {{}, builder_.input(forward.output_dtype(j))});
    }
    for (size_t id = forward.code.size(); id-- > 0;) propagate(static_cast<ValueId>(id));
  }

  Gradient finish() {
    Gradient result;
    result.differentiable = differentiable_;
    std::vector<Value> outputs;
    for (uint32_t i = 0; i < forward_.inputs.size(); ++i) {
      if (!(needed_ >> i & 1) || !is_floating(forward_.inputs[i])) continue;
      result.needed.push_back(i);
      outputs.push_back(input_gradient(i));
    }
    Program p = builder_.finish(outputs);
    // Keep the inputs that are read: saved ones first, then every gradient.
    const uint32_t n_in = static_cast<uint32_t>(forward_.inputs.size());
    const uint32_t n_out = static_cast<uint32_t>(forward_.outputs.size());
    std::vector<char> read(p.inputs.size(), 0);
    for (const TenonInstr& i : p.code) {
      if (i.op == TENON_OP_INPUT) read[i.imm] = 1;
    }
    std::vector<uint32_t> renumbered(p.inputs.size());
    std::vector<DType> dtypes;
    for (uint32_t k = 0; k < p.inputs.size(); ++k) {
      const bool gradient = k >= n_in + n_out;
      if (!gradient && !read[k]) continue;
      renumbered[k] = static_cast<uint32_t>(dtypes.size());
      dtypes.push_back(p.inputs[k]);
      if (!gradient) result.saved.push_back({k >= n_in, k >= n_in ? k - n_in : k});
    }
    for (TenonInstr& i : p.code) {
      if (i.op == TENON_OP_INPUT) i.imm = renumbered[i.imm];
    }
    p.inputs = dtypes;
    result.program = std::move(p);
    return result;
  }

 private:
  // A value matters if a needed input reaches it through floating values.
  void mark_active() {
    for (size_t id = 0; id < forward_.code.size(); ++id) {
      const TenonInstr& i = forward_.code[id];
      if (!is_floating(static_cast<DType>(i.dtype))) continue;
      if (i.op == TENON_OP_INPUT) {
        active_[id] = needed_ >> i.imm & 1;
        continue;
      }
      const int arity = opcode_arity(i.op);
      const ValueId operands[3] = {i.a, i.b, i.c};
      for (int k = 0; k < arity; ++k) active_[id] |= active_[operands[k]];
      for (const Slope& s : forward_.slopes) {
        if (s.result == id) active_[id] |= active_[s.operand];
      }
    }
  }

  Value input_gradient(uint32_t input) {
    for (size_t id = 0; id < forward_.code.size(); ++id) {
      const TenonInstr& i = forward_.code[id];
      if (i.op != TENON_OP_INPUT || i.imm != input || gradients_[id].empty()) continue;
      Value sum = materialize(gradients_[id][0]);
      for (size_t k = 1; k < gradients_[id].size(); ++k) sum = sum + materialize(gradients_[id][k]);
      return sum;
    }
    return builder_.constant(0, forward_.inputs[input]);
  }

  void add(ValueId id, Term term) {
    if (!active_[id]) return;
    std::vector<Term>& terms = gradients_[id];
    for (Term& t : terms) {
      if (!t.guard.defined() && !term.guard.defined()) {
        t.value = t.value + term.value;
        return;
      }
      if (!t.guard.defined() || !term.guard.defined()) continue;
      if (same(t.guard, term.guard)) {
        t.value = t.value + term.value;
        return;
      }
      if (negates(t.guard, term.guard)) {
        t = {{}, select(t.guard, t.value, term.value)};
        return;
      }
    }
    terms.push_back(term);
    if (terms.size() > kMaxTerms) {
      Value sum = materialize(terms[0]);
      for (size_t k = 1; k < terms.size(); ++k) sum = sum + materialize(terms[k]);
      terms.assign(1, Term{{}, sum});
    }
  }

  void add_guarded(ValueId id, const Term& term, Value condition, Value value) {
    add(id, {term.guard.defined() ? term.guard & condition : condition, value});
  }

  void propagate(ValueId id) {
    if (!active_[id] || gradients_[id].empty() || forward_.code[id].op == TENON_OP_INPUT) return;
    bool known = false;
    for (const Slope& s : forward_.slopes) known |= s.result == id;
    const std::vector<Term> terms = gradients_[id];
    for (const Term& term : terms) {
      if (known) {
        for (const Slope& s : forward_.slopes) {
          if (s.result == id) add(s.operand, {term.guard, term.value * values_[s.slope]});
        }
      } else {
        apply_rule(forward_.code[id], values_[id], term);
      }
    }
  }

  // d result / d operand for every opcode; y is the result, g its gradient.
  void apply_rule(const TenonInstr& i, Value y, const Term& term) {
    const int arity = opcode_arity(i.op);
    const Value a = arity > 0 ? values_[i.a] : Value(), b = arity > 1 ? values_[i.b] : Value();
    const Value c = arity > 2 ? values_[i.c] : Value(), g = term.value;
    const auto to_a = [&](Value v) { add(i.a, {term.guard, v}); };
    const auto to_b = [&](Value v) { add(i.b, {term.guard, v}); };
    constexpr double kTwoOverSqrtPi = 2 * std::numbers::inv_sqrtpi;
    switch (i.op) {
      case TENON_OP_CAST:
        if (is_floating(a.dtype())) to_a(cast(g, a.dtype()));
        return;
      case TENON_OP_ADD:
        to_a(g);
        to_b(g);
        return;
      case TENON_OP_SUB:
        to_a(g);
        if (active_[i.b]) to_b(-g);
        return;
      case TENON_OP_MUL:
        if (active_[i.a]) to_a(g * b);
        if (active_[i.b]) to_b(g * a);
        return;
      case TENON_OP_DIV:
        if (active_[i.a]) to_a(g / b);
        if (active_[i.b]) to_b(-(g * (a / b)) / b);
        return;
      case TENON_OP_REM:  // a - trunc(a / b) * b
        to_a(g);
        if (active_[i.b]) to_b(-(g * trunc(a / b)));
        return;
      case TENON_OP_MIN:
      case TENON_OP_MAX: {
        const bool is_max = i.op == TENON_OP_MAX;
        const Value half = select(eq(a, b), g * 0.5, g);
        if (active_[i.a]) add_guarded(i.a, term, is_max ? b <= a : a <= b, half);
        if (active_[i.b]) add_guarded(i.b, term, is_max ? a <= b : b <= a, half);
        return;
      }
      case TENON_OP_NEG:
        to_a(-g);
        return;
      case TENON_OP_ABS:
        to_a(select(a < 0.0, -g, select(0.0 < a, g, 0.0)));
        return;
      case TENON_OP_SELECT:
        if (active_[i.b]) add_guarded(i.b, term, a, g);
        if (active_[i.c]) add_guarded(i.c, term, !a, g);
        return;
      case TENON_OP_FLOOR:
      case TENON_OP_CEIL:
      case TENON_OP_TRUNC:
      case TENON_OP_RINT:
      case TENON_OP_SIGN:
        return;  // 0 wherever it exists
      case TENON_OP_SQRT:
        to_a(g * 0.5 / y);
        return;
      case TENON_OP_EXP:
        to_a(g * y);
        return;
      case TENON_OP_LOG:
        to_a(g / a);
        return;
      case TENON_OP_SIN:
        to_a(g * cos(a));
        return;
      case TENON_OP_COS:
        to_a(-(g * sin(a)));
        return;
      case TENON_OP_TANH:
        to_a(g * (1.0 - y * y));
        return;
      case TENON_OP_ERF:
        to_a(g * (kTwoOverSqrtPi * exp(-(a * a))));
        return;
      case TENON_OP_POW:
        // Where the exponent is 0 the result is 1 for every base; where the base is 0, log(0) must
        // not meet 0.
        if (active_[i.a]) add_guarded(i.a, term, ne(b, 0.0), g * (b * pow(a, b - 1.0)));
        if (active_[i.b]) add_guarded(i.b, term, ne(a, 0.0), g * (y * log(a)));
        return;
      case TENON_OP_FMA:
        if (active_[i.a]) to_a(g * b);
        if (active_[i.b]) to_b(g * a);
        add(i.c, {term.guard, g});
        return;
      case TENON_OP_RSQRT:
        to_a(g * -0.5 * (y * y * y));
        return;
      case TENON_OP_RECIP:
        to_a(-(g * (y * y)));
        return;
      case TENON_OP_EXP2:
        to_a(g * (y * std::numbers::ln2));
        return;
      case TENON_OP_EXPM1:
        to_a(g * (y + 1.0));
        return;
      case TENON_OP_LOG2:
        to_a(g / (a * std::numbers::ln2));
        return;
      case TENON_OP_LOG10:
        to_a(g / (a * std::numbers::ln10));
        return;
      case TENON_OP_LOG1P:
        to_a(g / (a + 1.0));
        return;
      case TENON_OP_TAN:
        to_a(g * (y * y + 1.0));
        return;
      case TENON_OP_ASIN:
        to_a(g / sqrt((1.0 - a) * (1.0 + a)));
        return;
      case TENON_OP_ACOS:
        to_a(-(g / sqrt((1.0 - a) * (1.0 + a))));
        return;
      case TENON_OP_ATAN:
        to_a(g / (a * a + 1.0));
        return;
      case TENON_OP_ATAN2: {  // a is the ordinate, b the abscissa
        const Value square = a * a + b * b;
        if (active_[i.a]) to_a(g * (b / square));
        if (active_[i.b]) to_b(-(g * (a / square)));
        return;
      }
      case TENON_OP_SINH:
        to_a(g * cosh(a));
        return;
      case TENON_OP_COSH:
        to_a(g * sinh(a));
        return;
      case TENON_OP_ASINH:
        to_a(g / sqrt(a * a + 1.0));
        return;
      case TENON_OP_ACOSH:
        to_a(g / sqrt((a - 1.0) * (a + 1.0)));
        return;
      case TENON_OP_ATANH:
        to_a(g / ((1.0 - a) * (1.0 + a)));
        return;
      case TENON_OP_ERFC:
        to_a(-(g * (kTwoOverSqrtPi * exp(-(a * a)))));
        return;
      case TENON_OP_ERFINV:
        to_a(g * (1 / kTwoOverSqrtPi * exp(y * y)));
        return;
      case TENON_OP_LGAMMA:
        to_a(g * digamma(a));
        return;
      case TENON_OP_COPYSIGN:  // |a| with b's sign: flips the gradient where the signs differ
        to_a(g * (copysign(b.builder().constant(1, a.dtype()), b) * sign(a)));
        return;
      case TENON_OP_BITCAST:
      case TENON_OP_SCALAR:
      case TENON_OP_CONST:
      case TENON_OP_INPUT:
        return;
      default:
        (void)c;
        fail(ErrorCode::kUnsupported, opcode_name(i.op),
             "has no derivative rule; detach() its argument or give the operation a slope");
    }
  }

  const Program& forward_;
  const uint64_t needed_;
  Builder builder_;
  std::vector<Value> values_, outputs_;
  std::vector<std::vector<Term>> gradients_;
  std::vector<char> active_;
  std::vector<uint32_t> differentiable_;
};

}  // namespace

Gradient derive(const Program& program, uint64_t needed, bool outputs_at_hand) {
  if (!outputs_at_hand) return ReverseSweep(program, needed, false).finish();
  // Written in the outputs alone, if that can be; else from the inputs.
  Gradient from_outputs = ReverseSweep(program, needed, true).finish();
  bool outputs_only = true;
  for (const SavedValue& s : from_outputs.saved) outputs_only &= s.output;
  if (outputs_only) return from_outputs;
  return ReverseSweep(program, needed, false).finish();
}

}  // namespace tenon::map
