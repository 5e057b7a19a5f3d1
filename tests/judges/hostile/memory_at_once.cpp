// expect: memory_limit
#include <vector>
int main() { std::vector<long long> v(1LL << 36); return v[5]; }
