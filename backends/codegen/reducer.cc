#include "backends/codegen/reducer.h"

#include "tenon/abi/tenon_plugin_kit.h"
#include "tenon/backends/codegen/emit.h"

namespace tenon_codegen {
namespace {

// One accumulator that a function of two values folds: s = f(s, v).
ReducerText Simple(const std::string& type, const std::string& field, const std::string& start,
                   const std::string& function, const std::string& value,
                   const std::string& result) {
  ReducerText t;
  t.fields = type + " " + field + ";";
  t.start = "s." + field + " = " + start + ";";
  t.fold = "s." + field + " = " + function + "(s." + field + ", " + value + ");";
  t.merge = "a." + field + " = " + function + "(a." + field + ", b." + field + ");";
  t.results = {result};
  return t;
}

ReducerText ArgExtreme(const std::string& dtype, const std::string& type, const std::string& wins,
                       const std::string& r, const std::string& value, const std::string& key) {
  ReducerText t;
  t.fields = type + " x" + r + "; i64 k" + r + "; boolean any" + r + ";";
  t.start = "s.x" + r + " = from_bits_" + dtype + "(0); s.k" + r + " = 0; s.any" + r + " = 0;";
  t.fold = "if (!s.any" + r + " || " + wins + "(" + value + ", " + key + ", s.x" + r + ", s.k" + r +
           ")) { s.x" + r + " = " + value + "; s.k" + r + " = " + key + "; s.any" + r + " = 1; }";
  t.merge = "if (b.any" + r + " && (!a.any" + r + " || " + wins + "(b.x" + r + ", b.k" + r +
            ", a.x" + r + ", a.k" + r + "))) { a.x" + r + " = b.x" + r + "; a.k" + r + " = b.k" +
            r + "; a.any" + r + " = 1; }";
  t.results = {"s.k" + r};
  return t;
}

// Welford 1962, merged as Chan, Golub, LeVeque 1983.
ReducerText Moments(const std::string& acc, const std::string& sums, const std::string& r,
                    const std::string& value) {
  const std::string n = "n" + r, m = "m" + r, q = "q" + r;
  ReducerText t;
  t.fields = sums + " " + n + ", " + m + ", " + q + ";";
  t.start = "s." + n + " = 0; s." + m + " = 0; s." + q + " = 0;";
  t.fold = "{ const " + sums + " x = " + value + ", step = x - s." + m + "; s." + n + " += 1; s." +
           m + " += step / s." + n + "; s." + q + " += step * (x - s." + m + "); }";
  t.merge = "if (a." + n + " == 0) { a." + n + " = b." + n + "; a." + m + " = b." + m + "; a." + q +
            " = b." + q + "; } else if (b." + n + " != 0) { const " + sums + " n = a." + n +
            " + b." + n + ", step = b." + m + " - a." + m + "; a." + m + " += step * (b." + n +
            " / n); a." + q + " += b." + q + " + step * step * (a." + n + " * (b." + n +
            " / n)); a." + n + " = n; }";
  for (const std::string& field : {n, m, q})
    t.results.push_back("cast_" + sums + "_" + acc + "(s." + field + ")");
  return t;
}

}  // namespace

ReducerText EmitReducer(const TenonProgram& program, const TenonReducer& reducer, uint32_t number,
                        bool f64) {
  const uint32_t value_dtype = program.instr[reducer.value].dtype;
  const std::string r = std::to_string(number), from = tenon_dtype_name(value_dtype),
                    acc = tenon_dtype_name(reducer.acc_dtype), type = TypeName(reducer.acc_dtype),
                    raw = "v" + std::to_string(reducer.value),
                    key = "v" + std::to_string(reducer.key),
                    value = value_dtype == reducer.acc_dtype
                                ? raw
                                : "cast_" + from + "_" + acc + "(" + raw + ")",
                    field = "s" + r;
  const bool floats = tenon_dtype_is_float(reducer.acc_dtype) != 0;
  // Float sums and products are kept in f64 and rounded once in the end, so that their order hardly
  // shows.
  const std::string sums = f64 ? "f64" : "f32";
  const std::string wide = acc == sums ? value : "cast_" + acc + "_" + sums + "(" + value + ")";
  const std::string rounded =
      acc == sums ? "s." + field : "cast_" + sums + "_" + acc + "(s." + field + ")";
  switch (reducer.kind) {
    case TENON_SUM:  // -0 is the neutral element: -0 + -0 = -0
      return floats ? Simple(sums, field, f64 ? "-0.0" : "-0.0f", "add_" + sums, wide, rounded)
                    : Simple(type, field, "0", "add_" + acc, value, "s." + field);
    case TENON_PROD:
      return floats ? Simple(sums, field, "1", "mul_" + sums, wide, rounded)
                    : Simple(type, field, "1", "mul_" + acc, value, "s." + field);
    case TENON_MIN:
      return Simple(type, field, "greatest_" + acc + "()", "min_" + acc, value, "s." + field);
    case TENON_MAX:
      return Simple(type, field, "least_" + acc + "()", "max_" + acc, value, "s." + field);
    case TENON_ANY:
      return Simple(type, field, "0", "or_bool", value, "s." + field);
    case TENON_ALL:
      return Simple(type, field, "1", "and_bool", value, "s." + field);
    case TENON_ARGMIN:
    case TENON_ARGMAX:
      return ArgExtreme(from, TypeName(value_dtype),
                        (reducer.kind == TENON_ARGMIN ? "wins_argmin_" : "wins_argmax_") + from, r,
                        raw, key);
    default:
      return Moments(acc, sums, r, wide);
  }
}

}  // namespace tenon_codegen
