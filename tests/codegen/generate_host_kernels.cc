// Writes the kernels that the cases of all samples need as C++ for the host, or the list variants
// of some:
//   generate_host_kernels > kernels.inc
//   generate_host_kernels lists > kernels.inc
#include <cstdio>
#include <set>
#include <string>

#include "tenon/backends/codegen/launch_plan.h"
#include "tenon/backends/codegen/prelude.h"
#include "tests/codegen/cases.h"
#include "tests/codegen/host_variants.h"

namespace {

using tenon_codegen::KernelInfo;
using tenon_codegen::Method;
using tenon_codegen::Variant;

// Calls a kernel as a driver does: pointers to the arguments.
std::string Caller(const KernelInfo& info, const std::string& name, const Variant& variant) {
  std::string text = "static void call_" + name + "(void* const* arguments) {\n  " + name + "(";
  size_t k = 0;
  const auto argument = [&](const std::string& type) {
    return "*static_cast<" + type + "*>(arguments[" + std::to_string(k++) + "])";
  };
  for (const uint32_t dtype : info.operand_dtypes)
    text += argument(std::string(tenon_codegen::TypeName(dtype)) + "* const") + ", ";
  if (variant.method == Method::kSlice || variant.method == Method::kPart ||
      variant.method == Method::kMerge) {
    text += argument("State_" + name + "* const") + ", ";
  }
  text += argument("const Launch_" + name + (variant.in_memory ? "* const" : ""));
  return text + ");\n}\n\n";
}

int WriteLists() {
  std::printf("%s%s", tenon_codegen::SelectAll().c_str(), tenon_codegen::kCommonPrelude);
  std::string table;
  for (const Sample& sample : ListSamples()) {
    for (const Variant& variant : ListVariants()) {
      const std::string name = sample.name + "_" + variant.suffix();
      std::printf(
          "%sstatic void call_%s(void* const* arguments) {\n"
          "  %s(*static_cast<const Launch_%s*>(arguments[0]));\n}\n\n",
          EmitKernel(sample.text->desc, name, variant, {}).c_str(), name.c_str(), name.c_str(),
          name.c_str());
      table += "    {\"" + name + "\", call_" + name + "},\n";
    }
  }
  std::printf("constexpr HostKernel kHostKernels[] = {\n%s};\n", table.c_str());
  return 0;
}

}  // namespace

int main(int argc, char**) {
  if (argc > 1) return WriteLists();
  std::printf("%s%s", tenon_codegen::SelectAll().c_str(), tenon_codegen::kCommonPrelude);
  std::string table;
  size_t number = 0;
  for (const Sample& sample : MakeSamples()) {
    const KernelInfo info = tenon_codegen::Describe(sample.text->desc);
    std::set<std::string> written;
    unsigned seed = 1;
    for (const Layout& layout : LayoutsOf(sample, number)) {
      const LaunchCase c(info, layout, ++seed);
      for (const HostVariant& v : HostVariants(info, c.launch)) {
        for (const Variant& variant : v.kernels()) {
          const std::string name = sample.name + "_" + variant.suffix();
          if (!written.insert(name).second) continue;
          std::printf("%s%s", EmitKernel(sample.text->desc, name, variant, v.target).c_str(),
                      Caller(info, name, variant).c_str());
          table += "    {\"" + name + "\", call_" + name + "},\n";
        }
      }
    }
    ++number;
  }
  std::printf("constexpr HostKernel kHostKernels[] = {\n%s};\n", table.c_str());
  return 0;
}
