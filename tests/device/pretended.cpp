// A pretended accelerator: PyTorch's PrivateUse1 with memory, random numbers and kernels of the CPU, and the manners of
// CUDA: tensors of two devices in one operation are an error, and autocast casts what it casts there.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/autocast_mode.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/alloc_cpu.h>
#include <torch/library.h>

#include <cstring>
#include <unordered_set>

namespace {

using at::Tensor;
using c10::DeviceIndex;
const c10::Device here(c10::DeviceType::PrivateUse1, 0);
const c10::DispatchKeySet keys(c10::DispatchKey::PrivateUse1);

struct Memory final : c10::Allocator {
    c10::DataPtr allocate(size_t size) override {
        void* data = c10::alloc_cpu(size);
        if (size) std::memset(data, 0xff, size);  // NaN: what nobody has written is no zero
        return {data, data, &c10::free_cpu, here};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &c10::free_cpu; }
    void copy_data(void* to, const void* from, size_t size) const override { default_copy_data(to, from, size); }
} memory;
REGISTER_ALLOCATOR(c10::DeviceType::PrivateUse1, &memory);

struct Guard final : c10::impl::DeviceGuardImplInterface {  // one device, one stream
    c10::DeviceType type() const override { return here.type(); }
    c10::Device exchangeDevice(c10::Device) const override { return here; }
    c10::Device getDevice() const override { return here; }
    void setDevice(c10::Device) const override {}
    void uncheckedSetDevice(c10::Device) const noexcept override {}
    c10::Stream getStream(c10::Device) const override { return c10::Stream(c10::Stream::DEFAULT, here); }
    c10::Stream getDefaultStream(c10::Device) const override { return getStream(here); }
    c10::Stream exchangeStream(c10::Stream) const override { return getStream(here); }
    DeviceIndex deviceCount() const noexcept override { return 1; }
    void record(void**, const c10::Stream&, const DeviceIndex, const c10::EventFlag) const override {}
    void block(void*, const c10::Stream&) const override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

struct Generator final : c10::GeneratorImpl {
    at::Generator cpu = at::detail::createCPUGenerator();
    Generator() : GeneratorImpl(here, keys) {}
    void set_current_seed(uint64_t seed) override { cpu.set_current_seed(seed); }
    void set_offset(uint64_t offset) override { cpu.set_offset(offset); }
    uint64_t get_offset() const override { return cpu.get_offset(); }
    uint64_t current_seed() const override { return cpu.current_seed(); }
    uint64_t seed() override { return cpu.seed(); }
    void set_state(const c10::TensorImpl& state) override { cpu.unsafeGetGeneratorImpl()->set_state(state); }
    c10::intrusive_ptr<c10::TensorImpl> get_state() const override { return cpu.unsafeGetGeneratorImpl()->get_state(); }
    Generator* clone_impl() const override { TORCH_CHECK(false, "no clones"); }
};

struct Hooks final : at::PrivateUse1HooksInterface {
    bool isBuilt() const override { return true; }
    bool isAvailable() const override { return true; }
    bool hasPrimaryContext(DeviceIndex) const override { return true; }
    DeviceIndex deviceCount() const override { return 1; }
    DeviceIndex getCurrentDevice() const override { return 0; }
    void setCurrentDevice(DeviceIndex) const override {}
    DeviceIndex exchangeDevice(DeviceIndex) const override { return 0; }
    DeviceIndex maybeExchangeDevice(DeviceIndex) const override { return 0; }
    const at::Generator& getDefaultGenerator(DeviceIndex) const override {
        static const at::Generator standard = at::make_generator<Generator>();
        return standard;
    }
    at::Generator getNewGenerator(DeviceIndex) const override { return at::make_generator<Generator>(); }
} hooks;
const bool registered = (at::RegisterPrivateUse1HooksInterface(&hooks), true);

Generator& standard() { return static_cast<Generator&>(*hooks.getDefaultGenerator(0).unsafeGetGeneratorImpl()); }

Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
             std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
    return at::detail::empty_generic(size, &memory, keys, c10::dtype_or_default(type), format);
}

Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> type,
                     std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
    return at::detail::empty_strided_generic(size, stride, &memory, keys, c10::dtype_or_default(type));
}

Tensor host(const Tensor& values) {  // the same memory, as the CPU's
    if (!values.defined() || !values.is_privateuseone()) return values;
    return at::for_blob(values.mutable_data_ptr(), values.sizes()).strides(values.strides())
        .deleter([values](void*) {}).options(values.options().device(at::kCPU))
        .allocator(c10::GetCPUAllocator()).resizeable_storage().make_tensor();
}

Tensor there(const Tensor& values) { return values.defined() ? values.to(here) : values; }

std::vector<Tensor> to_cpu(at::TensorList tensors) {
    std::vector<Tensor> found;
    for (const Tensor& each : tensors) found.push_back(host(each));
    return found;
}

Tensor copy_from(const Tensor& from, const Tensor& to, bool) {
    host(to).copy_(host(from));
    return to;
}

Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
    if (to.sizes() != from.sizes()) to.resize_(from.sizes());
    return to.data_ptr() == from.data_ptr() ? to : copy_from(from, to, false);
}

Tensor convolution(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias, at::IntArrayRef stride,
                   at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed, at::IntArrayRef more, int64_t groups) {
    return there(at::convolution(host(input), host(weight), host(bias.value_or(Tensor())), stride, padding, dilation,
                                 transposed, more, groups));
}

std::tuple<Tensor, Tensor, Tensor> convolution_backward(
    const Tensor& gradient, const Tensor& input, const Tensor& weight, at::IntArrayRef stride, at::IntArrayRef padding,
    at::IntArrayRef dilation, bool transposed, at::IntArrayRef more, int64_t groups, std::array<bool, 3> mask) {
    auto [of_input, of_weight, of_bias] = at::convolution_backward(
        host(gradient), host(input), host(weight), std::vector<int64_t>{gradient.size(1)}, stride, padding, dilation,
        transposed, more, groups, mask);
    return {there(of_input), there(of_weight), there(of_bias)};
}

// Where CUDA takes tensors of the CPU beside its own, behind its own.
const std::unordered_set<std::string> mixing = {"aten::index", "aten::index_put_", "aten::_index_put_impl_"};

void on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
    const auto& arguments = op.schema().arguments();
    const auto& name = op.operator_name().name;
    for (size_t i = 0; i < arguments.size(); ++i) {
        auto& value = (*stack)[stack->size() - arguments.size() + i];
        auto check = [&](const Tensor& each) {
            if (!each.defined() || each.is_privateuseone() || (i > 0 && mixing.count(name))) return;
            TORCH_CHECK(each.dim() == 0 && (op.hasTag(at::Tag::pointwise) || each.unsafeGetTensorImpl()->is_wrapped_number()),
                        "Expected all tensors to be on the same device, but found ", here, " and ", each.device(), " in ", name);
        };
        if (value.isTensor()) check(value.toTensor());
        if (value.isTensorList()) for (const Tensor& each : value.toTensorVector()) check(each);
        if (value.isOptionalTensorList())
            for (std::optional<Tensor> each : value.toOptionalTensorList()) check(each.value_or(Tensor()));
        if (arguments[i].name() == "generator") {
            auto* given = value.isNone() ? &standard() : dynamic_cast<Generator*>(value.toGenerator().unsafeGetGeneratorImpl());
            TORCH_CHECK(given, "Expected a generator of ", here, ", not of the CPU, in ", name);
            value = given->cpu;
        }
    }
    at::native::cpu_fallback(op, stack);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&on_cpu>()); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
    m.impl("empty.memory_format", empty);
    m.impl("empty_strided", empty_strided);
    m.impl("as_strided", at::native::as_strided_tensorimpl);
    m.impl("view", at::native::view);
    m.impl("_reshape_alias", at::native::_reshape_alias);
    m.impl("unfold", at::native::unfold);
    m.impl("resize_", at::native::resize_);
    m.impl("set_.source_Storage", static_cast<Tensor& (*)(Tensor&, at::Storage)>(at::native::set_));
    m.impl("set_.source_Storage_storage_offset", at::native::set_storage_cpu_);
    m.impl("_to_cpu", to_cpu);
    m.impl("_copy_from", copy_from);
    m.impl("_copy_from_and_resize", copy_from_and_resize);
    m.impl("convolution_overrideable", convolution);
    m.impl("convolution_backward_overrideable", convolution_backward);
}

TORCH_LIBRARY(pretended, m) {
    m.def("seed(int seed) -> ()", [](int64_t seed) { standard().set_current_seed(seed); });
    m.def("get_state() -> Tensor", [] { return Tensor(standard().get_state()); });
    m.def("set_state(Tensor state) -> ()", [](const Tensor& state) { standard().set_state(*state.unsafeGetTensorImpl()); });
}

#define LOW(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, lower_precision_fp)
#define FP32(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32)
#define FP32_DTYPE(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32_set_opt_dtype)
#define PROMOTE(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, promote)

TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, m) { m.fallback(torch::CppFunction::makeFallthrough()); }

TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {
    using namespace at;
    using namespace at::autocast;
    AT_FORALL_LOWER_PRECISION_FP(LOW)
    AT_FORALL_FP32(FP32)
    AT_FORALL_FP32_SET_OPT_DTYPE(FP32_DTYPE)
    AT_FORALL_DIFFERENT_REDISPATCH_SIGNATURE(KERNEL_DIFFERENT_REDISPATCH_SIGNATURE_PRIVATEUSEONE)
    AT_FORALL_PROMOTE(PROMOTE)
}

}  // namespace
