// expect: compile_error
template <int D, unsigned N> struct A { static const unsigned v = A<D - 1, 2 * N>::v + A<D - 1, 2 * N + 1>::v; };
template <unsigned N> struct A<0, N> { static const unsigned v = N; };
int main() { return A<40, 1>::v; }
