// An NVRTC for tests, in the same library as the fake driver: the host's g++ compiles the kernels,
// with host_prelude.h in the place of CUDA's prelude, and the fake driver runs them. So core's own
// tests run on the CUDA plug-in without a GPU (core_on_fake.sh).
//
// Needs the sources: TENON_FAKE_INCLUDE holds the -I options. Without it there is no such compiler
// (nvrtcVersion fails) and the plug-in says so. The preludes are compiled once per process: with
// them a kernel would take 0.6 s of a processor, without them it takes 0.15 s.
#include <nvrtc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include "tenon/backends/codegen/prelude.h"

#define API extern "C" __attribute__((visibility("default")))

struct _nvrtcProgram {
  std::string source, image, log;
};

namespace {

// "KERNEL name(type a, type b) {" as a function that takes pointers to the arguments.
std::string Callers(const std::string& source) {
  std::string text;
  for (size_t at = source.find("\nKERNEL "); at != std::string::npos;
       at = source.find("\nKERNEL ", at + 1)) {
    const size_t open = source.find('(', at), close = source.find(") {", open);
    const std::string name = source.substr(at + 8, open - at - 8);
    text += "KERNEL call_" + name + "(void* const* arguments) {\n  " + name + "(";
    std::stringstream parameters(source.substr(open + 1, close - open - 1));
    std::string parameter;
    for (int k = 0; std::getline(parameters, parameter, ','); ++k) {
      const std::string type = parameter.substr(0, parameter.rfind(' '));
      text += (k != 0 ? ", " : "") + ("*static_cast<std::remove_const_t<" + type +
                                      ">*>(arguments[" + std::to_string(k) + "])");
    }
    text += ");\n}\n";
  }
  return text;
}

// A new directory; with its files it goes with this object.
class Directory {
 public:
  Directory() : path_(std::filesystem::temp_directory_path() / "tenon_fake_nvrtc_XXXXXX") {
    made_ = mkdtemp(path_.data()) != nullptr;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    std::error_code ignored;
    if (made_) std::filesystem::remove_all(path_, ignored);
  }
  bool made() const { return made_; }
  std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  bool made_;
};

bool Compile(const std::string& arguments, const std::string& log) {
  const std::string command = "g++ -std=c++20 -O1 -ffp-contract=off -w -fPIC " +
                              std::string(std::getenv("TENON_FAKE_INCLUDE")) + " " + arguments +
                              " > " + log + " 2>&1";
  return std::system(command.c_str()) == 0;
}

// The header that stands for both preludes, compiled beforehand.
const std::string& PreludeHeader() {
  static const Directory directory;
  static const std::string header = [] {
    std::string path = directory.file("prelude.h");
    std::ofstream(path) << "#include <type_traits>\n#include \"tests/cuda/host_prelude.h\"\n"
                        << tenon_codegen::SelectAll() << tenon_codegen::kCommonPrelude;
    Compile("-x c++-header " + path + " -o " + path + ".gch", directory.file("log"));
    return path;
  }();
  return header;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

API nvrtcResult nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 99;  // no real one's code is taken for this one's
  return std::getenv("TENON_FAKE_INCLUDE") != nullptr ? NVRTC_SUCCESS : NVRTC_ERROR_INTERNAL_ERROR;
}
API const char* nvrtcGetErrorString(nvrtcResult result) {
  return result == NVRTC_SUCCESS ? "NVRTC_SUCCESS" : "NVRTC_ERROR_COMPILATION";
}
API nvrtcResult nvrtcGetNumSupportedArchs(int* count) {
  *count = 2;
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcGetSupportedArchs(int* archs) {
  archs[0] = 80;
  archs[1] = 90;
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcCreateProgram(nvrtcProgram* program, const char* source, const char*, int,
                                   const char* const*, const char* const*) {
  *program = new _nvrtcProgram{source, "", ""};
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcDestroyProgram(nvrtcProgram* program) {
  delete *program;
  *program = nullptr;
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int, const char* const*) {
  const Directory directory;
  if (!directory.made()) return NVRTC_ERROR_OUT_OF_MEMORY;
  const std::string common = tenon_codegen::kCommonPrelude;
  const size_t at = program->source.find(common);
  const std::string kernels =
      at != std::string::npos ? program->source.substr(at + common.size()) : program->source;
  const std::string text = directory.file("k.cc"), image = directory.file("k.so"),
                    log = directory.file("log");
  std::ofstream(text) << kernels << Callers(kernels);
  const bool compiled =
      Compile("-shared -include " + PreludeHeader() + " " + text + " -o " + image, log);
  program->image = compiled ? ReadFile(image) : "";
  program->log = ReadFile(log);
  return compiled ? NVRTC_SUCCESS : NVRTC_ERROR_COMPILATION;
}
API nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t* bytes) {
  *bytes = program->log.size() + 1;
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char* log) {
  program->log.copy(log, program->log.size());
  log[program->log.size()] = '\0';
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t* bytes) {
  *bytes = program->image.size();
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char* image) {
  program->image.copy(image, program->image.size());
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcGetPTXSize(nvrtcProgram program, size_t* bytes) {
  return nvrtcGetCUBINSize(program, bytes);
}
API nvrtcResult nvrtcGetPTX(nvrtcProgram program, char* image) {
  return nvrtcGetCUBIN(program, image);
}
